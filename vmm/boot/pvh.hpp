/// ELF kernels with a PVH entry (Xen docs/misc/pvh.pandoc, public/arch-x86/hvm/start_info.h).
#pragma once

#include "vmm/boot/elf_image.hpp"
#include "vmm/boot/kernel_format.hpp"

namespace vmm {

[[nodiscard]] BootState load_pvh(LoadContext& context);

inline constexpr KernelFormat pvh_format{is_elf, load_pvh};

} // namespace vmm
