/// How many descriptors this process may have.
#pragma once

namespace vmm {

/// Raises the soft limit to the hard one: each processor, disk and connection of a guest takes some, and nothing here
/// depends on their numbers being small (select(2) is not used).
void raise_open_file_limit();

} // namespace vmm
