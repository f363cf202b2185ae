#include "hv/base/guest_memory.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <stdexcept>

namespace hv {

namespace {

template <typename Word>
Word load(std::byte const* from)
{
    return __atomic_load_n(reinterpret_cast<Word const*>(from), __ATOMIC_RELAXED);
}

template <typename Word>
void store(std::byte* to, Word word)
{
    __atomic_store_n(reinterpret_cast<Word*>(to), word, __ATOMIC_RELAXED);
}

} // namespace

void copy_from_shared(void* to, std::byte const* shared, std::size_t size)
{
    auto* out = static_cast<std::byte*>(to);
    for (; size >= sizeof(std::uint64_t); size -= sizeof(std::uint64_t)) {
        auto const word = load<std::uint64_t>(shared);
        std::memcpy(out, &word, sizeof word);
        out += sizeof word;
        shared += sizeof word;
    }
    for (; size > 0; --size)
        *out++ = static_cast<std::byte>(load<std::uint8_t>(shared++));
}

void copy_to_shared(std::byte* shared, void const* from, std::size_t size)
{
    auto const* in = static_cast<std::byte const*>(from);
    for (; size >= sizeof(std::uint64_t); size -= sizeof(std::uint64_t)) {
        std::uint64_t word{};
        std::memcpy(&word, in, sizeof word);
        store(shared, word);
        in += sizeof word;
        shared += sizeof word;
    }
    for (; size > 0; --size)
        store(shared++, static_cast<std::uint8_t>(*in++));
}

void GuestMemory::add(Region const& region)
{
    auto all = regions();
    auto const before = [](Region const& a, Region const& b) { return a.base < b.base; };
    auto const place = std::ranges::upper_bound(all, region, before);
    auto const overlap = [](Region const& low, Region const& high) {
        return high.base.value - low.base.value < low.size;
    };
    if ((place != all.begin() && overlap(*std::prev(place), region)) ||
        (place != all.end() && overlap(region, *place)))
        throw std::logic_error{"two regions of guest memory overlap"};
    all.insert(place, region);
    replace(all);
}

void GuestMemory::replace(std::span<Region const> regions)
{
    std::vector<RangeTable<std::byte*>::Range> ranges;
    ranges.reserve(regions.size());
    for (auto const& region : regions)
        ranges.push_back({region.base.value, region.size, region.host});
    regions_.replace(ranges);
}

std::vector<GuestMemory::Region> GuestMemory::regions() const
{
    std::vector<Region> regions;
    for (auto const& range : regions_.all())
        regions.push_back({Gpa{range.first}, range.size, range.target});
    return regions;
}

} // namespace hv
