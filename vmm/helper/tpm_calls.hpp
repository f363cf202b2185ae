/// The system calls that swtpm may make, for jail::load_program.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace vmm::helper {

/// Beginning as a program, and files, which it makes and replaces as well: which ones is landlock's matter.
/// Descriptors that it has, no socket of its own, no process. Any other call gives ENOSYS. Throws std::system_error.
[[nodiscard]] std::vector<std::byte> tpm_program();

/// The same, made when Porthole was built (vmm/lists).
[[nodiscard]] std::span<std::byte const> built_tpm_program();

} // namespace vmm::helper
