/// Where a loader leaves what a kernel is handed at its entry: at the bottom of low RAM, which kernels expect to be
/// used by whoever started them.
#pragma once

#include "vmm/base/memory_layout.hpp"

namespace vmm::boot_area {

inline constexpr MemoryRange all{hv::Gpa{0}, 0x2'0000};

inline constexpr MemoryRange gdt{hv::Gpa{0x1000}, 0x28};
inline constexpr MemoryRange handover{hv::Gpa{0x2000}, hv::page_size}; ///< boot_params or hvm_start_info
inline constexpr MemoryRange page_tables{hv::Gpa{0x3000}, 6 * hv::page_size};
inline constexpr MemoryRange command_line{hv::Gpa{0x1'0000}, 0x1'0000};

static_assert(all.contains(gdt) && all.contains(handover) && all.contains(page_tables) && all.contains(command_line));

} // namespace vmm::boot_area
