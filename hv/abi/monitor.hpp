/// The monitored notification page (TLFS 2.0a §14.8.9.1–14.8.10; 6.0b §11.10.8.1–11.10.9).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace hv::abi {

inline constexpr std::size_t monitor_groups = 4;
inline constexpr std::size_t monitor_triggers = 32; ///< of a group
inline constexpr std::uint32_t monitor_group_enable = 0xF;
inline constexpr std::uint32_t monitor_disabled = 0x10; ///< 2.0a: the page is not being looked at; 6.0b lacks the bit

/// HV_MONITOR_PARAMETER: what HvSignalEvent is called with. One qword of guest memory, read at once.
struct MonitorParameter {
    std::uint32_t connection_id;
    std::uint16_t flag_number;
    std::uint16_t reserved;
};
static_assert(sizeof(MonitorParameter) == 8);

/// HV_MONITOR_PAGE. Guests and hypervisor touch it at the same time: by atomics only, but for its layout.
struct MonitorPage {
    std::uint32_t trigger_state;
    std::uint32_t reserved1;
    std::array<std::uint64_t, monitor_groups> trigger_group; ///< bits 31:0 Pending, bits 63:32 Armed
    std::array<std::byte, 536> reserved2;
    std::array<std::array<std::uint16_t, monitor_triggers>, monitor_groups> latency; ///< 100 ns
    std::array<std::byte, 256> reserved3;
    std::array<std::array<MonitorParameter, monitor_triggers>, monitor_groups> parameter;
    std::array<std::byte, 1984> reserved4;
};
static_assert(sizeof(MonitorPage) == 4096);
static_assert(offsetof(MonitorPage, trigger_group) == 8 && offsetof(MonitorPage, latency) == 576);
static_assert(offsetof(MonitorPage, parameter) == 1088);

} // namespace hv::abi
