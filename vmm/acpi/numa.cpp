#include "vmm/acpi/numa.hpp"

#include <algorithm>
#include <cstdint>

namespace vmm {

namespace {

/// Where in guest-physical space the RAM lies that begins after `from` bytes of it and ends after `to`.
std::vector<MemoryRange> ranges_of(MemoryLayout const& layout, std::uint64_t from, std::uint64_t to)
{
    std::vector<MemoryRange> ranges;
    std::uint64_t before = 0; // RAM in the ranges that came
    for (auto const& ram : layout.ram()) {
        auto const begin = std::max(from, before);
        auto const end = std::min(to, before + ram.size);
        if (begin < end) ranges.push_back({hv::Gpa{ram.base.value + (begin - before)}, end - begin});
        before += ram.size;
    }
    return ranges;
}

} // namespace

std::vector<NumaNode> numa_nodes(MemoryLayout const& layout, unsigned cpus, unsigned nodes)
{
    constexpr std::uint64_t large_page = 2 * layout::mib;
    auto const share = layout.bytes() / nodes;
    auto const unit = share >= layout::hot_add_block ? layout::hot_add_block : large_page;
    auto const border = [&](unsigned node) {
        return node == nodes ? layout.bytes() : layout.bytes() * node / nodes / unit * unit;
    };
    std::vector<NumaNode> all;
    for (unsigned node = 0; node < nodes; ++node)
        all.push_back({node * (cpus / nodes), cpus / nodes, ranges_of(layout, border(node), border(node + 1))});
    return all;
}

} // namespace vmm
