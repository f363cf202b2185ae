/// The partition's reference time, by both ways that a guest has (TLFS online "Timers").
#pragma once

#include "runtime/hyperv.hpp"

namespace guest {

/// HV_REFERENCE_TSC_PAGE.
struct ReferenceTscPage {
    u32 volatile sequence;
    u32 reserved;
    u64 volatile scale;
    u64 volatile offset;
};

/// By the MSR, in 100 ns.
inline u64 reference_time()
{
    return rdmsr(hv::msr::time_ref_count);
}

inline constexpr u64 per_microsecond = 10;
inline constexpr u64 per_millisecond = 10'000;

/// By the page, as the specification's code does it. The page must be enabled and its sequence not zero.
inline u64 time_by_page(ReferenceTscPage const& page)
{
    for (;;) {
        auto const sequence = load(page.sequence);
        auto const tsc = rdtsc();
        auto const time = multiply_high(tsc, load(page.scale)) + load(page.offset);
        if (load(page.sequence) == sequence) return time;
    }
}

} // namespace guest
