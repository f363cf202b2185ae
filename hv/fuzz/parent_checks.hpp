/// What must hold of a guest and its children whatever has been done.
#pragma once

#include "hv/fuzz/input.hpp"
#include "hv/fuzz/parent_model.hpp"
#include "hv/fuzz/pool_account.hpp"

#include <cstddef>
#include <set>

namespace hv::fuzz {

inline std::size_t size_of(IdTable const& table)
{
    std::size_t size = 0;
    table.for_each([&size](std::uint32_t, std::uint64_t) { ++size; });
    return size;
}

inline void check_charges(PartitionRegistry& registry, Model& child)
{
    auto& partition = *registry.find(PartitionId{child.id});
    require(size_of(partition.connections()) == child.connections.size(),
            "a child has the connections that were made");
    child.nodes = 0;
    auto const charged = child.pool.size() * page_size - partition.pool().free_bytes();
    auto const known = child.bytes_in_use();
    require(charged >= known && (charged - known) % node_charge == 0, "a child pays for what it has");
    child.nodes = charged - known;
}

inline void check(PartitionRegistry& registry, Seat& seat)
{
    std::set<std::uint64_t> pools;
    std::size_t count = 0;
    for (auto& child : seat.children) {
        pools.insert(child.pool.begin(), child.pool.end());
        count += child.pool.size();
        check_charges(registry, child);
    }
    auto& partition = *seat.parent->guest.partition;
    require(count == pools.size(), "no page is in two pools");
    require(seat.parent->host.hidden == pools, "what is out of reach is what is in a pool");
    auto const& children = *partition.children();
    require(children.deposited_pages() == count, "the model counts the same pages");
    require(children.count() == seat.children.size() && seat.parent->host.alive.machines == seat.children.size(),
            "there are as many machines as children");
    std::multiset<std::uint64_t> covered;
    for (auto const& [what, page] : seat.overlays)
        covered.insert(page);
    auto const told = partition.overlay_pages();
    require(covered == std::multiset<std::uint64_t>(told.begin(), told.end()), "overlays are where they were put");
    require(size_of(partition.ports()) == seat.ports.size(), "a table has the ports that were made");
    auto const charged = Seat::pool - partition.pool().free_bytes();
    auto const known = seat.children.size() * child_partition_charge + seat.ports.size() * communication::port_charge;
    require(charged >= known && (charged - known) % node_charge == 0, "a parent pays for children and ports");
}

} // namespace hv::fuzz
