/// Multiboot kernels, version 1 (Multiboot Specification 0.6.96): ELF files, and any other file whose header says
/// where it goes. They are started in 32-bit protected mode.
#pragma once

#include "vmm/boot/kernel_format.hpp"

namespace vmm {

/// Whether there is a Multiboot header where the specification wants it (§3.1): in the first 8192 bytes.
[[nodiscard]] bool is_multiboot(std::span<std::byte const> head);
[[nodiscard]] BootState load_multiboot(LoadContext& context);

inline constexpr KernelFormat multiboot_format{is_multiboot, load_multiboot};

} // namespace vmm
