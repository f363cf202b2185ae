/// The system calls that the process which opens files (file_server.hpp) may make, for jail::load_program.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace vmm::helper {

/// What opening takes, and threads that do it; any other call ends the process. Throws std::system_error.
[[nodiscard]] std::vector<std::byte> file_server_program();

/// The same, made when Porthole was built (vmm/lists).
[[nodiscard]] std::span<std::byte const> built_file_server_program();

} // namespace vmm::helper
