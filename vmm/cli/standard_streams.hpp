/// Standard input, output and error, when the caller left some of them closed.
#pragma once

namespace vmm {

/// Fills the places of closed standard descriptors with ones that fail on use, so that a device or a file opened
/// later never gets number 0, 1 or 2 and becomes the guest's console. Ignores SIGPIPE. Called first in `main`.
void reserve_standard_streams();

} // namespace vmm
