/// Reads an ELF executable that says by a Xen note how it wants to be started (the PVH boot ABI). Every offset and
/// size in the file is checked before it is used.
#pragma once

#include "vmm/boot/input_file.hpp"
#include "vmm/memory_layout.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace vmm {

struct ElfSegment {
    std::uint64_t file_offset;
    std::uint64_t file_size; ///< bytes in the file; the rest of `memory` is zero
    MemoryRange memory;      ///< by physical address
};

struct ElfImage {
    std::vector<ElfSegment> segments;
    std::optional<hv::Gpa> pvh_entry;
};

/// Throws UserError for a file that is truncated, malformed or of another architecture.
[[nodiscard]] ElfImage read_elf(InputFile const& file, std::span<std::byte const> head);

} // namespace vmm
