#include "hv/child/page_walk.hpp"

namespace hv {

namespace {

constexpr unsigned page_shift = 12;
constexpr std::uint64_t cr0_paging = 1U << 31;
constexpr std::uint64_t cr4_pse = 1U << 4;
constexpr std::uint64_t cr4_pae = 1U << 5;
constexpr std::uint64_t cr4_la57 = 1U << 12;
constexpr std::uint64_t efer_lma = 1U << 10;
constexpr std::uint64_t present = 1U << 0;
constexpr std::uint64_t large = 1U << 7;
constexpr std::uint64_t address_mask = 0x000F'FFFF'FFFF'F000;
constexpr std::uint64_t low_32_bits = 0xFFFF'FFFF;

/// Entries of 8 bytes, 512 a table; `levels` of them.
std::optional<Gpa> walk_wide(GuestMemory const& memory, std::uint64_t table, unsigned levels, std::uint64_t linear)
{
    constexpr unsigned bits_a_level = 9;
    for (auto shift = page_shift + bits_a_level * (levels - 1);; shift -= bits_a_level) {
        std::uint64_t entry = 0;
        auto const index = linear >> shift & 0x1FF;
        if (!memory.read(Gpa{(table & address_mask) + index * sizeof entry}, entry)) return std::nullopt;
        if ((entry & present) == 0) return std::nullopt;
        auto const below = (std::uint64_t{1} << shift) - 1;
        if (shift == page_shift || (entry & large) != 0)
            return Gpa{(entry & address_mask & ~below) | (linear & below)};
        table = entry;
    }
}

/// Four page-directory pointers in 32 bytes, and two levels below (Intel SDM §4.4).
std::optional<Gpa> walk_pae(GuestMemory const& memory, std::uint64_t cr3, std::uint64_t linear)
{
    constexpr unsigned pointer_shift = 30;
    std::uint64_t pointer = 0;
    auto const table = cr3 & 0xFFFF'FFE0;
    if (!memory.read(Gpa{table + (linear >> pointer_shift & 3) * sizeof pointer}, pointer)) return std::nullopt;
    if ((pointer & present) == 0) return std::nullopt;
    return walk_wide(memory, pointer, 2, linear);
}

/// Entries of 4 bytes, two levels (Intel SDM §4.3).
std::optional<Gpa> walk_narrow(GuestMemory const& memory, std::uint64_t cr3, std::uint64_t cr4, std::uint64_t linear)
{
    constexpr unsigned directory_shift = 22;
    constexpr std::uint64_t offset_in_large = (1U << directory_shift) - 1;
    auto const entry_at = [&](std::uint64_t table, std::uint64_t index) -> std::optional<std::uint64_t> {
        std::uint64_t two = 0; // reads are of 8 aligned bytes
        if (!memory.read(Gpa{(table & 0xFFFF'F000) + (index & ~std::uint64_t{1}) * 4}, two)) return std::nullopt;
        auto const entry = (index & 1) != 0 ? two >> 32 : two & low_32_bits;
        if ((entry & present) == 0) return std::nullopt;
        return entry;
    };
    auto const directory = entry_at(cr3, linear >> directory_shift);
    if (!directory) return std::nullopt;
    if ((*directory & large) != 0 && (cr4 & cr4_pse) != 0) { // bits 20:13 are address bits 39:32 (PSE-36)
        auto const high = (*directory >> 13 & 0xFF) << 32;
        return Gpa{high | (*directory & 0xFFC0'0000) | (linear & offset_in_large)};
    }
    auto const page = entry_at(*directory, linear >> page_shift & 0x3FF);
    if (!page) return std::nullopt;
    return Gpa{(*page & 0xFFFF'F000) | (linear & (page_size - 1))};
}

} // namespace

std::optional<Gpa> walk(GuestMemory const& memory, PagingRegisters const& registers, std::uint64_t linear)
{
    if ((registers.cr0 & cr0_paging) == 0) return Gpa{linear & low_32_bits};
    if ((registers.efer & efer_lma) != 0) {
        auto const levels = (registers.cr4 & cr4_la57) != 0 ? 5U : 4U;
        return walk_wide(memory, registers.cr3, levels, linear);
    }
    linear &= low_32_bits;
    if ((registers.cr4 & cr4_pae) != 0) return walk_pae(memory, registers.cr3, linear);
    return walk_narrow(memory, registers.cr3, registers.cr4, linear);
}

} // namespace hv
