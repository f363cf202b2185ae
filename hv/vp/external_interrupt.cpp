#include "hv/vp/external_interrupt.hpp"

namespace hv {

Status ExternalInterrupt::change(std::uint32_t to)
{
    auto state = state_.load();
    do {
        if (state == acknowledged) return Status::Acknowledged;
    } while (!state_.compare_exchange_weak(state, to));
    return Status::Success;
}

Status ExternalInterrupt::clear()
{
    auto expected = acknowledged;
    return state_.compare_exchange_strong(expected, idle) ? Status::Success : Status::NotAcknowledged;
}

std::optional<std::uint8_t> ExternalInterrupt::take()
{
    auto state = state_.load();
    do {
        if ((state & asserted) == 0) return std::nullopt;
    } while (!state_.compare_exchange_weak(state, acknowledged));
    return static_cast<std::uint8_t>(state);
}

} // namespace hv
