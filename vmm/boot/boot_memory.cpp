#include "vmm/boot/boot_memory.hpp"

#include "vmm/base/user_error.hpp"
#include "vmm/boot/boot_area.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <stdexcept>

namespace vmm {

std::byte* host_address(hv::GuestMemory const& memory, MemoryRange const& range)
{
    auto* const host = memory.at(range.base, range.size);
    if (!host) throw std::logic_error{"guest memory does not have the layout that the kernel is loaded by"};
    return host;
}

RamClaims::RamClaims(MemoryLayout const& layout) : layout_{layout}
{
    claims_.push_back({boot_area::all, "the boot data"});
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
    if (!is_ram) {
        throw UserError{fmt::format("{} needs RAM from {:#x} to {:#x}, which a guest with {} MiB does not have: "
                                    "give it more memory, or another kernel",
                                    what, range.base.value, range.end(), layout_.bytes() / layout::mib)};
    }
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

} // namespace vmm
