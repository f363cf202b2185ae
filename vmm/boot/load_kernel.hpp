/// Puts a kernel, its initrd and its command line into guest RAM.
#pragma once

#include "hv/base/guest_memory.hpp"
#include "vmm/base/memory_layout.hpp"
#include "vmm/boot/boot_state.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace vmm {

/// A file that is loaded beside the kernel, and the command line that belongs to it.
struct BootModule {
    std::filesystem::path path;
    std::string text;
};

struct BootRequest {
    std::filesystem::path kernel;
    std::optional<std::filesystem::path> initrd;
    std::string cmdline;
    hv::Gpa rsdp;                      ///< the ACPI root pointer, passed on to the kernel
    std::vector<BootModule> modules{}; ///< behind the initrd, in the order in which the kernel finds them; at most
                                       ///< max_modules with it
};

inline constexpr std::size_t max_modules = 32; ///< with the initrd

/// Loads what `request` names into `memory`, which has the given layout and is zero wherever it is not overwritten
/// (a kernel's .bss is not cleared again). The kernel's format is told by its content: a bzImage, a Multiboot kernel,
/// or an ELF file with a PVH note, in this order. Also writes the tables that the first vCPU starts with, and what a
/// kernel expects of a BIOS in memory. Throws UserError when a file cannot be used or does not fit.
[[nodiscard]] BootState load_kernel(BootRequest const& request, MemoryLayout const& layout,
                                    hv::GuestMemory const& memory);

} // namespace vmm
