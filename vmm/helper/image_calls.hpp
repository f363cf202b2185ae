/// The system calls that qemu-nbd and qemu-img may make, for jail::load_program.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace vmm::helper {

/// Beginning as a program, files that there are, threads, and descriptors that it has: no socket of its own, no
/// process, nothing of other processes. Any other call gives ENOSYS, since a newer QEMU or C library may try more
/// than it needs. Throws std::system_error.
[[nodiscard]] std::vector<std::byte> image_program();

/// The same, made when Porthole was built (vmm/lists).
[[nodiscard]] std::span<std::byte const> built_image_program();

} // namespace vmm::helper
