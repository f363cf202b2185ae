/// Inputs of the calls for statistics pages (newest). That of HvCallUnmapStatsPage is Linux's
/// (include/hyperv/hvhdk_mini.h, hv_input_unmap_stats_page), in which the identity is aligned.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace hv::abi {

/// HV_STATS_OBJECT_TYPE.
enum class StatsObject : std::uint32_t {
    Partition = 0x0001'0001,
    Vp = 0x0001'0002,
};

/// HV_STATS_OBJECT_IDENTITY.
struct StatsIdentity {
    static constexpr std::uint8_t areas = 2; ///< 0: the object's own; 1: its parent's of it (Linux)

    std::uint64_t partition;
    std::uint32_t vp_index; ///< of a VP
    std::uint16_t reserved0;
    std::uint8_t reserved1;
    std::uint8_t area;

    friend auto operator<=>(StatsIdentity const&, StatsIdentity const&) = default;
};
static_assert(sizeof(StatsIdentity) == 16 && offsetof(StatsIdentity, area) == 15);

struct UnmapStatsPageInput { // 0x006D
    StatsObject type;
    std::uint32_t reserved;
    StatsIdentity identity;
};
static_assert(sizeof(UnmapStatsPageInput) == 24);

struct MapStatsPageInput { // 0x0131
    UnmapStatsPageInput what;
    std::uint64_t location; ///< page number of the caller's
};
static_assert(sizeof(MapStatsPageInput) == 32);

} // namespace hv::abi
