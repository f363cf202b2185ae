/// Linux bzImage, entered by the 64-bit boot protocol, or by the 32-bit one when it says that it has no other entry
/// (Linux Documentation/x86/boot.rst).
#pragma once

#include "vmm/boot/kernel_format.hpp"

namespace vmm {

[[nodiscard]] bool is_bzimage(std::span<std::byte const> head);
[[nodiscard]] BootState load_bzimage(LoadContext& context);

inline constexpr KernelFormat bzimage_format{is_bzimage, load_bzimage};

} // namespace vmm
