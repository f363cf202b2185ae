#include "vmm/memory/address_space.hpp"

#include "vmm/base/log.hpp"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <exception>
#include <iterator>

namespace vmm {

namespace {

bool consists_of_pages(MemoryRange const& range)
{
    return range.size != 0 && range.base.value % hv::page_size == 0 && range.size % hv::page_size == 0 &&
           range.base.value < MemoryRange::max_end && range.size <= MemoryRange::max_end - range.base.value;
}

std::string text(MemoryRange const& range)
{
    return fmt::format("{:#x}-{:#x}", range.base.value, range.end() - 1);
}

/// The part of a section between two addresses that lie in it or at its ends.
MemorySection part(MemorySection section, std::uint64_t first, std::uint64_t end)
{
    if (section.contents.host) section.contents.host += first - section.range.base.value;
    section.range = {hv::Gpa{first}, end - first};
    return section;
}

constexpr auto by_place = [](MemorySection const& a, MemorySection const& b) {
    return std::pair{a.range.base.value, a.range.size} < std::pair{b.range.base.value, b.range.size} ||
           (a.range == b.range && a.claim < b.claim);
};

std::vector<MemorySection> difference(std::span<MemorySection const> from, std::span<MemorySection const> without)
{
    std::vector<MemorySection> rest;
    std::ranges::set_difference(from, without, std::back_inserter(rest), by_place);
    return rest;
}

/// What follows on in the guest and on the host is one region: a structure may lie across the border.
std::vector<hv::GuestMemory::Region> ram_of(std::span<MemorySection const> map)
{
    std::vector<hv::GuestMemory::Region> regions;
    for (auto const& [range, contents, claim] : map) {
        if (contents.type != MemoryType::Ram) continue;
        if (!regions.empty() && regions.back().base.value + regions.back().size == range.base.value &&
            regions.back().host + regions.back().size == contents.host)
            regions.back().size += range.size;
        else
            regions.push_back({range.base, range.size, contents.host});
    }
    return regions;
}

} // namespace

AddressSpace::Claim::~Claim()
{
    if (space_) space_->release(number_);
}

AddressSpace::Claim AddressSpace::claim(MemoryRange const& range, MemoryContents contents, std::string owner)
{
    std::lock_guard const guard{lock_};
    return add(claims_, range, contents, std::move(owner));
}

AddressSpace::Claim AddressSpace::overlay(MemoryRange const& range, MemoryContents contents, std::string owner)
{
    std::lock_guard const guard{lock_};
    return add(overlays_, range, contents, std::move(owner));
}

AddressSpace::Claim AddressSpace::add(Layer& layer, MemoryRange const& range, MemoryContents contents,
                                      std::string owner)
{
    auto const number = last_claim_ + 1;
    insert(layer, {{range, contents, number}, std::move(owner)});
    try {
        put_into_effect();
    } catch (...) {
        std::erase_if(layer, [&](Claimed const& claimed) { return claimed.section.claim == number; });
        throw;
    }
    last_claim_ = number;
    return {*this, number};
}

/// Where it belongs. Throws when it is no range of pages, or another is there.
void AddressSpace::insert(Layer& layer, Claimed claimed)
{
    auto const& range = claimed.section.range;
    if (!consists_of_pages(range))
        throw std::invalid_argument{"'" + claimed.owner + "' claims what are no pages of a guest"};
    auto const place = std::ranges::lower_bound(layer, range.base, {},
                                                [](Claimed const& other) { return other.section.range.base; });
    auto const refuse = [&](Claimed const& other) {
        throw AddressConflict{fmt::format("'{}' cannot have the guest's addresses {}: '{}' has {}", claimed.owner,
                                          text(range), other.owner, text(other.section.range))};
    };
    if (place != layer.begin() && std::prev(place)->section.range.overlaps(range)) refuse(*std::prev(place));
    if (place != layer.end() && place->section.range.overlaps(range)) refuse(*place);
    layer.insert(place, std::move(claimed));
}

void AddressSpace::change_overlay(Claim& claim, std::span<MemoryRange const> ranges, MemoryContents contents,
                                  std::string const& owner)
{
    std::lock_guard const guard{lock_};
    auto const number = claim.space_ ? claim.number_ : last_claim_ + 1;
    auto before = overlays_;
    std::erase_if(overlays_, [&](Claimed const& claimed) { return claimed.section.claim == number; });
    try {
        for (auto const& range : ranges)
            insert(overlays_, {{range, contents, number}, owner});
        put_into_effect();
    } catch (...) {
        overlays_ = std::move(before);
        throw;
    }
    if (claim.space_) return;
    last_claim_ = number;
    claim = Claim{*this, number};
}

void AddressSpace::release(std::uint64_t number) noexcept
{
    std::lock_guard const guard{lock_};
    for (auto* const layer : {&claims_, &overlays_})
        std::erase_if(*layer, [&](Claimed const& claimed) { return claimed.section.claim == number; });
    try {
        put_into_effect();
    } catch (std::exception const& error) {
        // What lay under an overlay cannot be shown again. The guest finds nothing there, and goes on or dies of it.
        spdlog::error("the guest's memory could not be changed back: {}", error.what());
    }
}

void AddressSpace::put_into_effect()
{
    auto after = flattened();
    auto const ram_before = ram_of(map_);
    memory_.replace(ram_of(after));
    try {
        tell(map_, after);
    } catch (...) {
        memory_.replace(ram_before);
        throw;
    }
    map_ = std::move(after);
}

void AddressSpace::tell(std::span<MemorySection const> before, std::span<MemorySection const> after)
{
    auto const removed = difference(before, after);
    auto const added = difference(after, before);
    if (removed.empty() && added.empty()) return;
    auto next = listeners_.begin();
    try {
        for (; next != listeners_.end(); ++next)
            (*next)->map_changed(removed, added);
    } catch (...) {
        while (next != listeners_.begin())
            (*--next)->map_changed(added, removed);
        throw;
    }
}

std::vector<MemorySection> AddressSpace::flattened() const
{
    std::vector<MemorySection> map;
    for (auto const& overlay : overlays_)
        map.push_back(overlay.section);
    for (auto const& [section, owner] : claims_) {
        auto first = section.range.base.value;
        for (auto const& overlay : overlays_) {
            auto const& over = overlay.section.range;
            if (!over.overlaps(section.range)) continue;
            if (first < over.base.value) map.push_back(part(section, first, over.base.value));
            first = over.end();
        }
        if (first < section.range.end()) map.push_back(part(section, first, section.range.end()));
    }
    std::ranges::sort(map, by_place);
    return map;
}

void AddressSpace::listen(Listener& listener)
{
    std::lock_guard const guard{lock_};
    listeners_.reserve(listeners_.size() + 1);
    if (!map_.empty()) listener.map_changed({}, map_);
    listeners_.push_back(&listener);
}

void AddressSpace::stop_listening(Listener& listener)
{
    std::lock_guard const guard{lock_};
    std::erase(listeners_, &listener);
}

std::optional<MemorySection> AddressSpace::find(hv::Gpa gpa) const
{
    std::lock_guard const guard{lock_};
    auto const found = std::ranges::find_if(map_, [&](MemorySection const& section) {
        return gpa.value - section.range.base.value < section.range.size;
    });
    return found == map_.end() ? std::nullopt : std::optional{*found};
}

std::vector<MemorySection> AddressSpace::sections() const
{
    std::lock_guard const guard{lock_};
    return map_;
}

std::string AddressSpace::owner(MemorySection const& section) const
{
    std::lock_guard const guard{lock_};
    for (auto const* const layer : {&claims_, &overlays_}) {
        for (auto const& claimed : *layer) {
            if (claimed.section.claim == section.claim) return claimed.owner;
        }
    }
    return {};
}

} // namespace vmm
