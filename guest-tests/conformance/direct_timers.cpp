// Synthetic timers in direct mode, which interrupt without a message. Online "Timers".
#include "conformance/timers.hpp"
#include "hyperv/synic.hpp"
#include "runtime/test.hpp"

using namespace guest;
using namespace guest::hv;
using namespace guest::timer;

namespace {

constexpr u8 vector = 0x81;

Page tsc_page;

} // namespace

TEST(timers, direct_one_shot, "timers, direct synthetic timers")
{
    NEEDS(direct_timers);
    NEEDS(timers);
    NEEDS(reference_counter);
    auto const before = interrupt_count(vector);
    auto const due = reference_time() + 5 * per_millisecond;
    wrmsr(count(0), due);
    wrmsr(config(0), enabled | direct | on_vector(vector));
    CHECK(wait_until([&] { return interrupt_count(vector) == before + 1; }));
    CHECK(reference_time() >= due);
    CHECK_EQ(rdmsr(config(0)) & enabled, 0);
}

TEST(timers, direct_periodic, "timers, direct synthetic timers")
{
    NEEDS(direct_timers);
    NEEDS(timers);
    NEEDS(reference_counter);
    constexpr u64 period = 5 * per_millisecond;
    auto const before = interrupt_count(vector);
    wrmsr(count(0), period);
    auto const start = reference_time();
    wrmsr(config(0), enabled | periodic | direct | on_vector(vector));
    CHECK(wait_until([&] { return interrupt_count(vector) >= before + 5; }));
    CHECK(reference_time() >= start + 5 * period);
    CHECK(rdmsr(config(0)) & enabled);
}

/// As Linux programs its clock events. A hypervisor may time them by the page that its kernel knows too.
TEST(timers, direct_with_auto_enable, "2.0a 15.3.1; timers, direct synthetic timers")
{
    NEEDS(direct_timers);
    NEEDS(timers);
    NEEDS(reference_counter);
    if (offered(feature::reference_tsc)) wrmsr(msr::reference_tsc, gpa(&tsc_page) | enable_bit);
    constexpr u32 rounds = 100;
    constexpr u64 at_rest = auto_enable | direct | on_vector(vector);
    auto const before = interrupt_count(vector);
    wrmsr(config(0), at_rest);
    u32 early = 0;
    for (u32 round = 1; round <= rounds; ++round) {
        auto const due = reference_time() + 300 * per_microsecond;
        wrmsr(count(0), due);
        CHECK(wait_until([&] { return interrupt_count(vector) == before + round; }));
        if (reference_time() < due) ++early;
        CHECK_EQ(rdmsr(config(0)), at_rest);
        CHECK_EQ(rdmsr(count(0)), due);
    }
    CHECK_EQ(early, 0);
    let_time_pass(2000);
    CHECK_EQ(interrupt_count(vector), before + rounds);
}

TEST(timers, direct_ones_can_be_changed_and_stopped, "2.0a 15.3.1, 15.3.2; timers, direct synthetic timers")
{
    NEEDS(direct_timers);
    NEEDS(timers);
    NEEDS(reference_counter);
    if (offered(feature::reference_tsc)) wrmsr(msr::reference_tsc, gpa(&tsc_page) | enable_bit);
    auto const start = [](u64 when) {
        wrmsr(count(0), when);
        wrmsr(config(0), enabled | direct | on_vector(vector));
    };
    u64 due = 0;
    bool was_enabled = false;
    auto before = interrupt_count(vector);
    auto const undo = [&] {
        wrmsr(config(0), 0);
        let_time_pass(50'000); // for its interrupt
        before = interrupt_count(vector);
    };
    CHECK(before_it_fires(
        [&](u64 delay) {
            due = reference_time() + delay;
            start(due);
            was_enabled = (rdmsr(config(0)) & enabled) != 0;
            wrmsr(config(0), direct | on_vector(vector));
        },
        undo));
    CHECK(was_enabled);
    let_it_pass(due);
    CHECK_EQ(interrupt_count(vector), before);

    CHECK(before_it_fires(
        [&](u64 delay) {
            due = reference_time() + delay;
            start(due);
            wrmsr(count(0), 0);
        },
        undo));
    CHECK_EQ(rdmsr(config(0)) & enabled, 0);
    let_it_pass(due);
    CHECK_EQ(interrupt_count(vector), before);

    CHECK(before_it_fires(
        [&](u64 delay) {
            start(reference_time() + delay);
            due = reference_time() + 2 * delay;
            wrmsr(count(0), due);
            was_enabled = (rdmsr(config(0)) & enabled) != 0;
        },
        undo));
    CHECK(was_enabled);
    CHECK(wait_until([&] { return interrupt_count(vector) == before + 1; }, 2 * 30'000));
    CHECK(reference_time() >= due);
    start(1); // long ago
    CHECK(wait_until([&] { return interrupt_count(vector) == before + 2; }));
}

TEST(timers, direct_wakes_a_halted_processor, "timers, direct synthetic timers")
{
    NEEDS(direct_timers);
    NEEDS(timers);
    NEEDS(reference_counter);
    auto const before = interrupt_count(vector);
    {
        InterruptsOff const off;
        wrmsr(count(0), reference_time() + 5 * per_millisecond);
        wrmsr(config(0), enabled | direct | on_vector(vector));
        wait_for_interrupt();
    }
    CHECK_EQ(interrupt_count(vector), before + 1);
}
