// Synthetic timers: what arming one and its expiry take beyond the time that the guest has asked for.
#include "bench/delivery.hpp"
#include "bench/groups.hpp"
#include "bench/measure.hpp"
#include "hyperv/halting.hpp"
#include "hyperv/reference_time.hpp"

namespace guest {

namespace {

constexpr u32 timer = 1; // start_ticking() takes 0
constexpr u32 config = hv::msr::stimer0_config + 2 * timer;
constexpr u32 count = hv::msr::stimer0_count + 2 * timer;
constexpr u64 auto_enable = 8;
constexpr u64 message_mode = u64{measured_sint} << 16;
constexpr u64 direct_mode = 1u << 12 | u64{measured_vector} << 4;
constexpr u64 longest_delay = 100 * per_millisecond;
u64 delay = 100 * per_microsecond; // more where arming one takes longer

Page reference_page;

ReferenceTscPage const& reference()
{
    return *reinterpret_cast<ReferenceTscPage const*>(reference_page.bytes);
}

/// The time-stamp counter's first value at which the reference time is this.
u64 tsc_at(u64 time)
{
    u64 quotient{};
    u64 rest{};
    asm("divq %4"
        : "=a"(quotient), "=d"(rest)
        : "0"(u64{0}), "1"(time - load(reference().offset)), "r"(load(reference().scale))
        : "cc");
    return quotient + (rest != 0);
}

/// The write that arms the timer, and from the moment for which it was set until its interrupt's handler is done.
template <typename Wait>
u64 arm_and_expire(Wait const& wait)
{
    for (; delay <= longest_delay; delay *= 2) {
        handled_at = 0;
        auto const due = time_by_page(reference()) + delay;
        auto const start = rdtsc();
        wrmsr(count, due);
        auto const armed = rdtsc();
        if (!wait([] { return handled_at != 0; })) return 0;
        auto const expected = tsc_at(due);
        if (expected >= handled_at) return 0;
        if (armed < expected) return armed - start + handled_at - expected;
    }
    return 0;
}

u64 while_busy()
{
    return arm_and_expire([](auto const& handled) { return wait_until(handled); });
}

u64 while_halted()
{
    auto const cycles = arm_and_expire([](auto const& handled) { return halt_until(handled, patience_ms); });
    enable_interrupts();
    return cycles;
}

template <typename Measurement>
void report_timer(char const* name, u64 mode, InterruptHandler handler, Measurement const& measurement)
{
    on_interrupt(measured_vector, handler);
    wrmsr(config, auto_enable | mode);
    report(name, measurement);
    wrmsr(config, 0);
    on_interrupt(measured_vector, nullptr);
}

char const* missing()
{
    if (!hv::offered(hv::feature::timers)) return hv::feature::timers.text;
    if (!hv::offered(hv::feature::synic)) return hv::feature::synic.text;
    if (!hv::offered(hv::feature::reference_tsc)) return hv::feature::reference_tsc.text;
    return load(reference().sequence) == 0 ? "the reference TSC page is not valid" : nullptr;
}

} // namespace

void timers()
{
    if (hv::offered(hv::feature::reference_tsc)) wrmsr(hv::msr::reference_tsc, gpa(&reference_page) | hv::enable_bit);
    if (auto const* const reason = missing()) {
        return skip_each(reason, "stimer_message", "stimer_direct", "stimer_direct_halted");
    }
    Synic const synic;
    set_sint(measured_sint, measured_vector);
    report_timer("stimer_message", message_mode, message_handler, while_busy);
    if (!hv::offered(hv::feature::direct_timers)) {
        skip("stimer_direct", hv::feature::direct_timers.text);
        skip("stimer_direct_halted", hv::feature::direct_timers.text);
    } else {
        report_timer("stimer_direct", direct_mode, plain_handler, while_busy);
        start_ticking();
        report_timer("stimer_direct_halted", direct_mode, plain_handler, while_halted);
    }
    wrmsr(hv::msr::reference_tsc, 0);
}

} // namespace guest
