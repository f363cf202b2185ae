/// The system calls that the process of a user-mode network (user_network_process.hpp) may make, for
/// jail::load_program.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace vmm::helper {

/// Sockets of the Internet, and what libslirp and its loop need beside; openat(2) raises SIGSYS, any other call ends
/// the process. Throws std::system_error.
[[nodiscard]] std::vector<std::byte> user_network_program();

/// The same, made when Porthole was built (vmm/lists).
[[nodiscard]] std::span<std::byte const> built_user_network_program();

} // namespace vmm::helper
