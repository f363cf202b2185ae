/// A guest that sets synthetic timers by their MSRs.
#pragma once

#include "hv/testing/fabric.hpp"
#include "hv/vp/synthetic_timers.hpp"

namespace hv::testing {

inline constexpr Sint timer_sint{3}; ///< where its timers send

namespace stimer_bits {
inline constexpr std::uint64_t enable = 1;
inline constexpr std::uint64_t periodic = 2;
inline constexpr std::uint64_t lazy = 4;
inline constexpr std::uint64_t auto_enable = 8;
inline constexpr std::uint64_t direct = 1 << 12;
inline constexpr std::uint64_t to_sint = std::uint64_t{timer_sint.value} << 16;
constexpr std::uint64_t vector(std::uint64_t v)
{
    return v << 4;
}
} // namespace stimer_bits

struct TimerGuest {
    PartitionRegistry registry;
    TestGuest guest{registry, Rights::ordinary(), 1};
    FakeVpControl& control{*guest.controls[0]};
    GuestSlot slot{guest, timer_sint};

    TimerGuest() { start_synic(guest); }

    [[nodiscard]] std::uint64_t now() const { return guest.partition->time().now().value; }
    void config(std::uint64_t value, unsigned timer = 0)
    {
        write_msr(guest, abi::msr::stimer0_config + 2 * timer, value);
    }
    void count(std::uint64_t value, unsigned timer = 0)
    {
        write_msr(guest, abi::msr::stimer0_config + 2 * timer + 1, value);
    }
    [[nodiscard]] std::uint64_t shown(unsigned timer = 0)
    {
        return guest.vp().read_msr(abi::msr::stimer0_config + 2 * timer).value();
    }
    [[nodiscard]] std::optional<std::uint64_t> deadline() const
    {
        return control.deadline ? std::optional{control.deadline->value} : std::nullopt;
    }
    /// Lets time pass and calls the model at its deadlines, as the machine does: at most `limit` times.
    unsigned run(std::uint64_t ticks, unsigned limit = 1000)
    {
        guest.clock.advance_100ns(ticks);
        return settle(limit);
    }
    unsigned settle(unsigned limit = 1000)
    {
        unsigned calls = 0;
        while (deadline() && *deadline() <= now() && calls < limit) {
            control.deadline.reset();
            guest.vp().expire_timers();
            ++calls;
        }
        return calls;
    }
};

} // namespace hv::testing
