/// The registers of synthetic timers. TLFS 2.0a 15.3; online "Timers" for direct mode.
#pragma once

#include "hyperv/reference_time.hpp"
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

} // namespace guest::timer
