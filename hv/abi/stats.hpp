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

/// A statistics page is an array of counters of eight bytes. These are told, by their places (Linux,
/// drivers/hv/mshv_debugfs_counters.c); all others are 0.
namespace partition_counter {
inline constexpr std::size_t virtual_processors = 1;
inline constexpr std::size_t deposited_pages = 5;
inline constexpr std::size_t gpa_pages = 6;
inline constexpr std::size_t gpa_space_modifications = 7;
inline constexpr std::size_t partition_id = 26;
inline constexpr std::size_t active_children = 46;
} // namespace partition_counter
namespace vp_counter {
inline constexpr std::size_t run_time = 1; ///< of 100 ns
inline constexpr std::size_t io_instructions = 13;
inline constexpr std::size_t hlt_instructions = 15;
inline constexpr std::size_t msr_accesses = 21;
inline constexpr std::size_t other_intercepts = 23;
inline constexpr std::size_t io_messages = 40;
inline constexpr std::size_t memory_messages = 41;
inline constexpr std::size_t apic_eois = 42;
inline constexpr std::size_t other_messages = 43;
inline constexpr std::size_t page_fault_intercepts = 71;
} // namespace vp_counter

struct StatsCounter {
    std::size_t place;
    std::uint64_t value;
};

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
