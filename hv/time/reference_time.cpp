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

void ReferenceTime::visit(StateVisitor& visitor)
{
    std::uint64_t reached = now().value;
    std::uint64_t sequence = page_.sequence;
    visitor.number("reference_time", reached);
    visitor.number("page_sequence", sequence);
    if (!visitor.restores()) return;
    page_.offset = static_cast<std::int64_t>(reached - scaled(clock_.guest_tsc()));
    page_.sequence = static_cast<std::uint32_t>(sequence) + 1;
    if (page_.sequence == 0 || page_.sequence == ~0U) page_.sequence = 1; // these say that the page is not to be used
}

} // namespace hv
