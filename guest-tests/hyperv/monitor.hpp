/// A monitored notification page (TLFS 2.0a 14.8.9.1 to 14.8.10).
#pragma once

#include <cstddef>

#include "runtime/memory.hpp"

namespace guest {

struct MonitorPage {
    u32 volatile trigger_state;
    u32 reserved1;
    u64 volatile trigger_group[4]; ///< bits 31:0 Pending, bits 63:32 Armed
    u8 reserved2[536];
    u16 volatile latency[4][32]; ///< 100 ns
    u8 reserved3[256];
    u64 volatile parameter[4][32]; ///< the connection ID, the flag number from bit 32 on
    u8 reserved4[1984];
};
static_assert(sizeof(MonitorPage) == page_size);
static_assert(offsetof(MonitorPage, latency) == 576 && offsetof(MonitorPage, parameter) == 1088);

inline constexpr u32 monitor_disabled = 0x10;

inline MonitorPage& monitor_page(Page& page)
{
    return *reinterpret_cast<MonitorPage*>(page.bytes);
}

/// What trigger n signals, and how long it is deferred.
inline void describe_trigger(MonitorPage& page, unsigned n, u32 connection_id, u16 flag, u16 latency_100ns)
{
    page.latency[n / 32][n % 32] = latency_100ns;
    page.parameter[n / 32][n % 32] = connection_id | u64{flag} << 32;
}

/// Pending on and Armed off, in one step.
inline void pull_trigger(MonitorPage& page, unsigned n)
{
    auto& word = page.trigger_group[n / 32];
    auto const bit = u64{1} << n % 32;
    auto seen = load(word);
    while (!__atomic_compare_exchange_n(&word, &seen, (seen | bit) & ~(bit << 32), false, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
    }
}

inline bool trigger_pending(MonitorPage const& page, unsigned n)
{
    return load(page.trigger_group[n / 32]) >> n % 32 & 1;
}

} // namespace guest
