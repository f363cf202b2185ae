/// What a process does first that was forked to start programs of others.
#pragma once

#include <span>

namespace vmm::helper {

/// Names the process, in a session of its own, with nothing open but `kept` and standard streams that say nothing. It
/// keeps no privileges but those by which files are opened. Throws std::system_error.
void become_helper(char const* name, std::span<int const> kept);

} // namespace vmm::helper
