/// Reads an ELF executable: what it loads, and where it starts, which it may also say by a Xen note (the PVH boot
/// ABI). Every offset and size in the file is checked before it is used.
#pragma once

#include "vmm/base/memory_layout.hpp"
#include "vmm/boot/boot_memory.hpp"
#include "vmm/boot/input_file.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace vmm {

struct ElfSegment {
    std::uint64_t file_offset;
    std::uint64_t file_size; ///< bytes in the file; the rest of `memory` is zero
    MemoryRange memory;      ///< by physical address
    std::uint64_t virtual_address;
};

struct ElfImage {
    std::vector<ElfSegment> segments;
    std::uint64_t entry; ///< virtual
    std::optional<hv::Gpa> pvh_entry;
};

[[nodiscard]] bool is_elf(std::span<std::byte const> head);

/// Throws UserError for a file that is truncated, malformed or of another architecture.
[[nodiscard]] ElfImage read_elf(InputFile const& file, std::span<std::byte const> head);

/// Claims all segments, then loads them. Throws UserError when one does not fit.
void load_segments(InputFile const& file, ElfImage const& image, RamClaims& claims, hv::GuestMemory const& memory);

} // namespace vmm
