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

ReferenceTime::ReferenceTime(Clock const& clock)
    : clock_{clock}, scale_{scale_for(clock.tsc_hz())}, offset_{-static_cast<std::int64_t>(scaled(clock.guest_tsc()))}
{}

void ReferenceTime::go_on_from(RefTime reached)
{
    offset_ = static_cast<std::int64_t>(reached.value - scaled(clock_.guest_tsc()));
    auto const next = sequence_.load() + 1;
    sequence_ = next == 0 || next == ~0U ? 1 : next; // these say that the page is not to be used
}

void ReferenceTime::visit(StateVisitor& visitor)
{
    std::uint64_t reached = now().value;
    std::uint64_t sequence = sequence_;
    visitor.number("reference_time", reached);
    visitor.number("page_sequence", sequence);
    if (!visitor.restores()) return;
    sequence_ = static_cast<std::uint32_t>(sequence);
    go_on_from(RefTime{reached});
}

} // namespace hv
