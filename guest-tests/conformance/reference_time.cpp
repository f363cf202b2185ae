// Reference time: the counter, the TSC page, and that they are one clock. TLFS 2.0a 15.1.2, 15.2, 15.4.
#include "hyperv/reference_time.hpp"

#include "conformance/boot_state.hpp"
#include "conformance/overlay.hpp"
#include "runtime/apic.hpp"
#include "runtime/clock.hpp"
#include "runtime/cpu.hpp"
#include "runtime/test.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

Page memory;
Page other_memory;

ReferenceTscPage& tsc_page()
{
    return *reinterpret_cast<ReferenceTscPage*>(memory.bytes);
}

void enable_tsc_page()
{
    wrmsr(msr::reference_tsc, gpa(&memory) | enable_bit);
    CHECK_EQ(rdmsr(msr::reference_tsc), gpa(&memory) | enable_bit);
    CHECK(tsc_page().sequence != 0);
}

/// What processor 1 leaves for processor 0 in the ping-pong test.
struct Relay {
    u64 volatile time;
    u32 volatile turn;
};
constexpr u32 relay_rounds = 50;

/// Takes the time in turns; counts the times that did not pass the other processor's last one.
template <typename Clock>
u32 take_turns(Relay& relay, u32 me, Clock const& clock)
{
    u32 steps_back = 0;
    for (u32 round = 0; round < relay_rounds; ++round) {
        if (!wait_until([&] { return load(relay.turn) % 2 == me; })) return ~0u;
        auto const now = clock();
        if (now < load(relay.time)) ++steps_back;
        store(relay.time, now);
        store(relay.turn, relay.turn + 1);
    }
    return steps_back;
}

template <typename Clock>
void is_monotonic_across_processors(Clock const& clock)
{
    for (unsigned other = 1; other < cpu_count(); ++other) {
        Relay relay{};
        u32 steps_back_there = 0;
        struct Work {
            Relay& relay;
            Clock const& clock;
            u32& steps_back;
        } work{relay, clock, steps_back_there};
        start_on(
            other,
            [](void* w) {
                auto& task = *static_cast<Work*>(w);
                task.steps_back = take_turns(task.relay, 1, task.clock);
            },
            &work);
        auto const steps_back_here = take_turns(relay, 0, clock);
        note_position(other);
        CHECK(wait_for_task(other, 2 * patience_ms));
        CHECK_EQ(steps_back_here, 0);
        CHECK_EQ(steps_back_there, 0);
    }
}

} // namespace

TEST(reference_counter, is_read_only, "2.0a 15.2.1")
{
    NEEDS(reference_counter);
    CHECK(!try_wrmsr(msr::time_ref_count, 0));
    CHECK_EQ(this_cpu().fault.vector, general_protection);
}

TEST(reference_counter, started_with_the_partition, "2.0a 15.1.2")
{
    NEEDS(reference_counter);
    constexpr u64 ten_minutes = 10ull * 60 * 1000 * per_millisecond;
    CHECK(reference_time() < ten_minutes);
}

TEST(reference_counter, never_steps_back, "2.0a 15.1.2")
{
    NEEDS(reference_counter);
    auto last = reference_time();
    for (unsigned i = 0; i < 200; ++i) {
        auto const now = reference_time();
        note_position(i);
        CHECK(now >= last);
        last = now;
    }
    CHECK(wait_until([&] { return reference_time() > last; }));
}

TEST(reference_counter, is_monotonic_across_processors, "2.0a 15.1.2")
{
    NEEDS(reference_counter);
    NEEDS_SECOND_CPU();
    RUN(is_monotonic_across_processors([] { return reference_time(); }));
}

TEST(reference_counter, runs_at_the_rate_of_the_tsc, "6.0b 12.2")
{
    NEEDS(reference_counter);
    NEEDS(frequency_msrs);
    auto const frequency = rdmsr(msr::tsc_frequency);
    auto const tsc_early = rdtsc();
    auto const start = reference_time();
    auto const tsc_start = rdtsc();
    constexpr u64 span = 50 * per_millisecond;
    CHECK(wait_until([&] { return reference_time() >= start + span; }));
    auto const tsc_end = rdtsc();
    auto const end = reference_time();
    auto const tsc_late = rdtsc();

    auto const in_cycles = [&](u64 time) { return multiply_high(time * frequency, ~u64{0} / 10'000'000); };
    auto const most = in_cycles(end - start + 1);
    auto const least = in_cycles(end - start);
    auto const tolerance = least / 100;
    CHECK(tsc_end - tsc_start <= most + tolerance);
    CHECK(tsc_late - tsc_early + tolerance >= least);
}

TEST(reference_counter, runs_at_the_rate_of_the_apic_timer, "6.0b 12.2, HV_X64_MSR_APIC_FREQUENCY")
{
    NEEDS(reference_counter);
    NEEDS(frequency_msrs);
    constexpr u8 never_reached = 0x73;
    auto const frequency = rdmsr(msr::apic_frequency);
    auto const early = reference_time();
    apic::start_timer(never_reached, ~0u);
    auto const start = reference_time();
    CHECK(wait_until([&] { return reference_time() >= start + 50 * per_millisecond; }));
    auto const end = reference_time();
    auto const ticks = u64{~0u} - apic::reg(apic::timer_current);
    auto const late = reference_time();
    apic::start_timer(never_reached, 0);

    auto const measured = ticks * 10'000'000;
    CHECK(measured + measured / 50 >= (end - start) * frequency);
    CHECK(measured - measured / 50 <= (late - early + 1) * frequency);
}

TEST(reference_tsc, starts_disabled, "2.0a 15.4.1")
{
    NEEDS(reference_tsc);
    CHECK(boot_value(msr::reference_tsc).ok);
    CHECK_EQ(boot_value(msr::reference_tsc).value, 0);
}

TEST(reference_tsc, memory_comes_back, "2.0a 15.4, 8.1.3")
{
    NEEDS(reference_tsc);
    RUN(overlay_gives_back(msr::reference_tsc, memory));
    RUN(overlay_moves(msr::reference_tsc, memory, other_memory));
}

TEST(reference_tsc, is_shared_by_all_processors, "2.0a 15.4.1")
{
    NEEDS(reference_tsc);
    NEEDS_SECOND_CPU();
    RUN(enable_tsc_page());
    u64 other = 0;
    CHECK(run_on(1, [&] { other = rdmsr(msr::reference_tsc); }));
    CHECK_EQ(other, rdmsr(msr::reference_tsc));
}

TEST(reference_tsc, page_and_counter_are_one_clock, "2.0a 15.4.3")
{
    NEEDS(reference_tsc);
    NEEDS(reference_counter);
    RUN(enable_tsc_page());
    for (unsigned i = 0; i < 100; ++i) {
        auto const before = time_by_page(tsc_page());
        auto const counter = reference_time();
        auto const after = time_by_page(tsc_page());
        note_position(i);
        CHECK(before <= counter);
        CHECK(counter <= after);
    }
}

TEST(reference_tsc, scale_agrees_with_the_frequency, "2.0a 15.4.3")
{
    NEEDS(reference_tsc);
    NEEDS(frequency_msrs);
    RUN(enable_tsc_page());
    auto const ticks_per_second = multiply_high(rdmsr(msr::tsc_frequency), tsc_page().scale);
    CHECK(ticks_per_second >= 9'990'000);
    CHECK(ticks_per_second <= 10'010'000);
}

TEST(reference_tsc, is_monotonic_across_processors, "2.0a 15.1.2")
{
    NEEDS(reference_tsc);
    NEEDS_SECOND_CPU();
    RUN(enable_tsc_page());
    RUN(is_monotonic_across_processors([] { return time_by_page(tsc_page()); }));
}
