// The MSRs that each virtual processor has for itself: index, run time, assist page, idle.
#include "conformance/boot_state.hpp"
#include "conformance/overlay.hpp"
#include "hyperv/synic.hpp"
#include "runtime/apic.hpp"
#include "runtime/clock.hpp"
#include "runtime/test.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

Page first_page;
Page second_page;
constexpr u8 idle_vector = 0x71;

} // namespace

TEST(vp_index, counts_from_the_boot_processor, "vp-properties, virtual processor indices")
{
    NEEDS(vp_index);
    for (unsigned i = 0; i < cpu_count(); ++i) {
        u64 index = ~u64{0};
        if (i == 0)
            index = rdmsr(msr::vp_index);
        else
            CHECK(run_on(i, [&] { index = rdmsr(msr::vp_index); }));
        CHECK_EQ(index, i);
    }
}

TEST(vp_index, is_read_only, "2.0a appendix G")
{
    NEEDS(vp_index);
    CHECK(!try_wrmsr(msr::vp_index, 0));
    CHECK_EQ(this_cpu().fault.vector, general_protection);
}

TEST(vp_runtime, grows_no_faster_than_time, "vp-properties, run time register")
{
    NEEDS(vp_runtime);
    NEEDS(reference_counter);
    auto const time_before = rdmsr(msr::time_ref_count);
    auto const before = rdmsr(msr::vp_runtime);
    CHECK(wait_until([&] { return rdmsr(msr::vp_runtime) > before; }));
    auto const after = rdmsr(msr::vp_runtime);
    auto const time_after = rdmsr(msr::time_ref_count);
    constexpr u64 scheduler_tick = 100'000; // a host that accounts run time by ticks may be one of them ahead
    CHECK(after - before <= time_after - time_before + scheduler_tick);
}

TEST(vp_runtime, is_read_only, "vp-properties, run time register")
{
    NEEDS(vp_runtime);
    CHECK(!try_wrmsr(msr::vp_runtime, 0));
    CHECK_EQ(this_cpu().fault.vector, general_protection);
}

TEST(vp_assist_page, starts_disabled, "vp-properties, assist page")
{
    NEEDS_HYPERV();
    SKIP_UNLESS(boot_value(msr::vp_assist_page).ok, "VP_ASSIST_PAGE raises #GP");
    CHECK_EQ(boot_value(msr::vp_assist_page).value & enable_bit, 0);
}

TEST(vp_assist_page, is_zero_and_gives_memory_back, "vp-properties, assist page")
{
    NEEDS_HYPERV();
    SKIP_UNLESS(boot_value(msr::vp_assist_page).ok, "VP_ASSIST_PAGE raises #GP");
    first_page.fill(0x5A);
    wrmsr(msr::vp_assist_page, gpa(&first_page) | enable_bit);
    CHECK_EQ(rdmsr(msr::vp_assist_page), gpa(&first_page) | enable_bit);
    bool const zero = first_page.holds_only(0);
    wrmsr(msr::vp_assist_page, 0);
    CHECK(zero);
    CHECK(first_page.holds_only(0x5A));
}

TEST(vp_assist_page, moves, "vp-properties, assist page")
{
    NEEDS_HYPERV();
    SKIP_UNLESS(boot_value(msr::vp_assist_page).ok, "VP_ASSIST_PAGE raises #GP");
    RUN(overlay_moves(msr::vp_assist_page, first_page, second_page));
}

TEST(vp_assist_page, is_each_processors_own, "vp-properties, assist page")
{
    NEEDS_HYPERV();
    SKIP_UNLESS(boot_value(msr::vp_assist_page).ok, "VP_ASSIST_PAGE raises #GP");
    NEEDS_SECOND_CPU();
    wrmsr(msr::vp_assist_page, gpa(&first_page) | enable_bit);
    u64 other = ~u64{0};
    CHECK(run_on(1, [&] { other = rdmsr(msr::vp_assist_page); }));
    wrmsr(msr::vp_assist_page, 0);
    CHECK_EQ(other & enable_bit, 0);
}

/// The timer is periodic because its first interrupt may come before the processor is idle.
TEST(guest_idle, wakes_for_an_interrupt, "2.0a 10.1.4")
{
    NEEDS(guest_idle);
    auto const before = interrupt_count(idle_vector);
    apic::start_periodic_timer(idle_vector, 20'000'000);
    (void)rdmsr(msr::guest_idle);
    bool const woken = wait_until([&] { return interrupt_count(idle_vector) != before; });
    apic::start_timer(idle_vector, 0);
    CHECK(woken);
}

TEST(guest_idle, returns_with_interrupts_off, "2.0a 10.1.4")
{
    NEEDS(guest_idle);
    auto const before = interrupt_count(idle_vector);
    {
        InterruptsOff const off;
        apic::start_timer(idle_vector, 1'000'000);
        (void)rdmsr(msr::guest_idle);
        CHECK_EQ(interrupt_count(idle_vector), before);
    }
    CHECK(wait_until([&] { return interrupt_count(idle_vector) == before + 1; }));
}

TEST(guest_idle, is_read_only, "2.0a appendix G")
{
    NEEDS(guest_idle);
    CHECK(!try_wrmsr(msr::guest_idle, 0));
    CHECK_EQ(this_cpu().fault.vector, general_protection);
}
