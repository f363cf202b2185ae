/// Puts a kernel, its initrd and its command line into guest RAM.
#pragma once

#include "hv/base/guest_memory.hpp"
#include "vmm/base/memory_layout.hpp"
#include "vmm/boot/boot_state.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace vmm {

struct BootRequest {
    std::filesystem::path kernel;
    std::optional<std::filesystem::path> initrd;
    std::string cmdline;
    hv::Gpa rsdp; ///< the ACPI root pointer, passed on to the kernel
};

/// Loads what `request` names into `memory`, which has the given layout and is zero wherever it is not overwritten
/// (a kernel's .bss is not cleared again). The kernel's format is told by its content: a bzImage, a Multiboot kernel,
/// or an ELF file with a PVH note, in this order. Also writes the tables that the first vCPU starts with, and what a
/// kernel expects of a BIOS in memory. Throws UserError when a file cannot be used or does not fit.
[[nodiscard]] BootState load_kernel(BootRequest const& request, MemoryLayout const& layout,
                                    hv::GuestMemory const& memory);

} // namespace vmm
