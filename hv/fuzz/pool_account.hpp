/// What a partition's pool is charged with, as it should be.
#pragma once

#include "hv/partition/partition.hpp"

#include <cstdint>

namespace hv::fuzz {

/// A node of an ID table, bytes. Nodes stay charged until their partition goes.
inline constexpr std::uint64_t node_charge = 2048;

/// Whether nothing but nodes is charged to a pool that had `initial` bytes. Nothing else is a multiple of a node.
[[nodiscard]] inline bool only_nodes_charged(Partition& partition, std::uint64_t initial)
{
    auto const free = partition.pool().free_bytes();
    return free <= initial && (initial - free) % node_charge == 0;
}

} // namespace hv::fuzz
