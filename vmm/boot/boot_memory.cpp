#include "vmm/boot/boot_memory.hpp"

#include "vmm/base/user_error.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>

namespace vmm {

std::byte* host_address(hv::GuestMemory const& memory, MemoryRange const& range)
{
    auto* const host = memory.at(range.base, range.size);
    if (!host) throw std::logic_error{"guest memory does not have the layout that the kernel is loaded by"};
    return host;
}

void RamClaims::refuse_what_is_no_ram(MemoryRange const& range, std::string const& what) const
{
    constexpr MemoryRange pc_areas{hv::Gpa{layout::low_ram.end()},
                                   layout::extended_ram.value - layout::low_ram.end()};
    auto const wanted = fmt::format("{} needs RAM from {:#x} to {:#x}", what, range.base.value, range.end());
    for (auto const& [hole, content] :
         {std::pair{pc_areas, "a PC has its BIOS's data, its video memory and its ROMs"},
          std::pair{layout::mmio_hole, "no guest has RAM, but devices"}}) {
        if (range.overlaps(hole)) {
            throw UserError{fmt::format("{}, but from {:#x} to {:#x} {}: use another kernel", wanted, hole.base.value,
                                        hole.end(), content)};
        }
    }
    throw UserError{fmt::format("{}, which a guest with {} MiB does not have: give it more memory, or another kernel",
                                wanted, layout_.bytes() / layout::mib)};
}

RamClaims::Claim const* RamClaims::overlapping(MemoryRange const& range) const
{
    auto const found = std::ranges::find_if(claims_, [&](Claim const& claim) { return claim.range.overlaps(range); });
    return found == claims_.end() ? nullptr : &*found;
}

void RamClaims::claim(MemoryRange const& range, std::string what)
{
    auto const is_ram = std::ranges::any_of(layout_.map(), [&](MemoryMapEntry const& entry) {
        return entry.kind == MemoryKind::ram && entry.range.contains(range);
    });
    if (!is_ram) refuse_what_is_no_ram(range, what);
    if (auto const* const other = overlapping(range)) {
        throw UserError{fmt::format("{} at {:#x} to {:#x} overlaps {} at {:#x} to {:#x}: use another kernel", what,
                                    range.base.value, range.end(), other->what, other->range.base.value,
                                    other->range.end())};
    }
    claims_.push_back({range, std::move(what)});
}

std::optional<MemoryRange> RamClaims::claim_highest(std::uint64_t size, hv::Gpa end, std::string what)
{
    auto const map = layout_.map();
    for (auto entry = map.rbegin(); entry != map.rend(); ++entry) {
        auto const& [range, kind] = *entry;
        if (kind != MemoryKind::ram || range.base < layout::extended_ram) continue;

        auto top = std::min(range.end(), end.value);
        while (top >= range.base.value && size <= top - range.base.value) {
            auto const base = (top - size) & ~(hv::page_size - 1);
            MemoryRange const candidate{hv::Gpa{base}, size};
            if (!range.contains(candidate)) break;

            auto const* const other = overlapping(candidate);
            if (!other) {
                claims_.push_back({candidate, std::move(what)});
                return candidate;
            }
            top = other->range.base.value;
        }
    }
    return std::nullopt;
}

std::optional<MemoryRange> RamClaims::claim_lowest(std::uint64_t size, MemoryRange const& within, std::string what)
{
    auto base = within.base.value;
    while (base < within.end() && size <= within.end() - base) {
        MemoryRange const candidate{hv::Gpa{base}, size};
        auto const* const other = overlapping(candidate);
        if (!other) {
            claims_.push_back({candidate, std::move(what)});
            return candidate;
        }
        base = (other->range.end() + hv::page_size - 1) & ~(hv::page_size - 1);
    }
    return std::nullopt;
}

MemoryRange RamClaims::claim_boot_data(std::uint64_t size)
{
    constexpr std::string_view what{"the boot data"};
    constexpr MemoryRange behind_first_page{hv::Gpa{hv::page_size}, layout::low_ram.size - hv::page_size};
    if (auto const low = claim_lowest(size, behind_first_page, std::string{what})) return *low;
    if (auto const high = claim_highest(size, hv::Gpa{layout::mmio_hole.end()}, std::string{what})) return *high;
    throw UserError{fmt::format("there is no room beside the kernel for what it is handed over in {} MiB of guest "
                                "memory: give it more memory",
                                layout_.bytes() / layout::mib)};
}

} // namespace vmm
