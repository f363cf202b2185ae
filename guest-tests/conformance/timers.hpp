/// The registers of synthetic timers. TLFS 2.0a 15.3; online "Timers" for direct mode.
#pragma once

#include "hyperv/reference_time.hpp"
#include "runtime/clock.hpp"
#include "runtime/hyperv.hpp"

namespace guest::timer {

inline constexpr u64 enabled = 1;
inline constexpr u64 periodic = 2;
inline constexpr u64 lazy = 4;
inline constexpr u64 auto_enable = 8;
inline constexpr u64 direct = 1u << 12;
constexpr u64 on_sint(u64 number)
{
    return number << 16;
}
constexpr u64 on_vector(u64 number)
{
    return number << 4;
}

inline u32 config(unsigned timer)
{
    return hv::msr::stimer0_config + 2 * timer;
}
inline u32 count(unsigned timer)
{
    return hv::msr::stimer0_count + 2 * timer;
}

/// For a test that does something to a timer before it fires: calls `steps(delay)` and says whether they were over
/// before the delay was. If not, `undo()` is called and it tries again with a longer one, so that it does not matter
/// when the machine lets this guest run.
template <typename Steps, typename Undo>
[[nodiscard]] bool before_it_fires(Steps const& steps, Undo const& undo)
{
    constexpr u64 longest = 30'000 * per_millisecond;
    for (u64 delay = 20 * per_millisecond; delay <= longest; delay *= 4) {
        auto const start = reference_time();
        steps(delay);
        if (reference_time() < start + delay) return true;
        undo();
    }
    return false;
}

/// Waits until well after a timer would have fired, had it not been stopped.
inline void let_it_pass(u64 due)
{
    while (reference_time() < due)
        relax();
    let_time_pass(20'000);
}

} // namespace guest::timer
