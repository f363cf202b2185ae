#include "hv/time/reference_time.hpp"

namespace hv {

namespace {

constexpr std::uint64_t ticks_per_second = 10'000'000;

/// 2^64 × 10^7 / hz, for a TSC faster than 10 MHz.
std::uint64_t scale_for(std::uint64_t hz)
{
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(ticks_per_second) << 64) / hz);
}

} // namespace

ReferenceTime::ReferenceTime(Clock const& clock) : clock_{clock}, page_{1, 0, scale_for(clock.tsc_hz()), 0}
{
    page_.offset = -static_cast<std::int64_t>(scaled(clock.guest_tsc()));
}

} // namespace hv
