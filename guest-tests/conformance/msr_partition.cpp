// The partition-wide MSRs: identity, hypercall page, reset, crash, frequencies.
#include "conformance/boot_state.hpp"
#include "conformance/overlay.hpp"
#include "runtime/clock.hpp"
#include "runtime/test.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

Page first_page;
Page second_page;

/// Leaves the hypercall interface disabled, and enabled as the other tests expect it afterwards.
class OwnHypercallPage {
  public:
    OwnHypercallPage() { wrmsr(msr::hypercall, 0); }
    ~OwnHypercallPage() { enable_hypercalls(); }
    OwnHypercallPage(OwnHypercallPage const&) = delete;
    OwnHypercallPage& operator=(OwnHypercallPage const&) = delete;
};

u64 enabled_at(Page const& page)
{
    return gpa(&page) | enable_bit;
}

} // namespace

TEST(guest_os_id, starts_as_zero, "hypercall-interface, guest OS identity")
{
    NEEDS(hypercall_msrs);
    CHECK(boot_value(msr::guest_os_id).ok);
    CHECK_EQ(boot_value(msr::guest_os_id).value, 0);
}

TEST(guest_os_id, keeps_what_is_written, "hypercall-interface, guest OS identity")
{
    NEEDS(hypercall_msrs);
    wrmsr(msr::guest_os_id, 0x8100'0000'1234'5678);
    CHECK_EQ(rdmsr(msr::guest_os_id), 0x8100'0000'1234'5678);
    wrmsr(msr::guest_os_id, our_os_id);
    CHECK_EQ(rdmsr(msr::guest_os_id), our_os_id);
}

TEST(guest_os_id, is_shared_by_all_processors, "hypercall-interface, guest OS identity")
{
    NEEDS(hypercall_msrs);
    NEEDS_SECOND_CPU();
    wrmsr(msr::guest_os_id, our_os_id);
    u64 seen = 0;
    CHECK(run_on(1, [&] { seen = rdmsr(msr::guest_os_id); }));
    CHECK_EQ(seen, our_os_id);
}

TEST(hypercall_msr, starts_as_zero, "hypercall-interface, establishing")
{
    NEEDS(hypercall_msrs);
    CHECK(boot_value(msr::hypercall).ok);
    CHECK_EQ(boot_value(msr::hypercall).value, 0);
}

TEST(hypercall_msr, stays_disabled_without_identity, "hypercall-interface, establishing")
{
    NEEDS(hypercall_msrs);
    OwnHypercallPage const own;
    wrmsr(msr::guest_os_id, 0);
    first_page.fill(0x5A);
    CHECK(try_wrmsr(msr::hypercall, enabled_at(first_page)));
    CHECK_EQ(rdmsr(msr::hypercall) & enable_bit, 0);
    CHECK(first_page.holds_only(0x5A));
}

TEST(hypercall_msr, clearing_the_identity_disables_it, "hypercall-interface, guest OS identity")
{
    NEEDS(hypercall_msrs);
    OwnHypercallPage const own;
    wrmsr(msr::guest_os_id, our_os_id);
    wrmsr(msr::hypercall, enabled_at(first_page));
    CHECK_EQ(rdmsr(msr::hypercall), enabled_at(first_page));
    wrmsr(msr::guest_os_id, 0);
    CHECK_EQ(rdmsr(msr::hypercall) & enable_bit, 0);
}

TEST(hypercall_msr, is_shared_by_all_processors, "hypercall-interface, establishing")
{
    NEEDS(hypercall_msrs);
    NEEDS_SECOND_CPU();
    enable_hypercalls();
    auto const mine = rdmsr(msr::hypercall);
    u64 seen = 0;
    CHECK(run_on(1, [&] { seen = rdmsr(msr::hypercall); }));
    CHECK_EQ(seen, mine);
}

TEST(hypercall_msr, page_appears, "hypercall-interface, establishing")
{
    NEEDS(hypercall_msrs);
    OwnHypercallPage const own;
    wrmsr(msr::guest_os_id, our_os_id);
    first_page.fill(0x5A);
    wrmsr(msr::hypercall, enabled_at(first_page));
    CHECK(!first_page.holds_only(0x5A));
    wrmsr(msr::hypercall, gpa(&first_page));
    CHECK_EQ(rdmsr(msr::hypercall) & enable_bit, 0);
}

TEST(hypercall_msr, memory_comes_back_when_disabled, "2.0a 8.1.3, overlay pages")
{
    NEEDS(hypercall_msrs);
    OwnHypercallPage const own;
    wrmsr(msr::guest_os_id, our_os_id);
    RUN(overlay_gives_back(msr::hypercall, first_page));
}

TEST(hypercall_msr, memory_comes_back_when_moved, "2.0a 8.1.3, overlay pages")
{
    NEEDS(hypercall_msrs);
    OwnHypercallPage const own;
    wrmsr(msr::guest_os_id, our_os_id);
    RUN(overlay_moves(msr::hypercall, first_page, second_page));
}

TEST(hypercall_msr, address_beyond_memory_raises_gp, "hypercall-interface, establishing")
{
    NEEDS(hypercall_msrs);
    OwnHypercallPage const own;
    wrmsr(msr::guest_os_id, our_os_id);
    CHECK(!try_wrmsr(msr::hypercall, 0x7FFF'FFFF'FFFF'F000 | enable_bit));
    CHECK_EQ(this_cpu().fault.vector, general_protection);
}

LAST_TEST(hypercall_msr, lock_holds, "hypercall-interface, establishing")
{
    NEEDS(hypercall_lock);
    enable_hypercalls();
    auto const locked = enabled_at(first_page) | hypercall_lock_bit;
    wrmsr(msr::hypercall, locked);
    CHECK_EQ(rdmsr(msr::hypercall), locked);
    (void)try_wrmsr(msr::hypercall, 0);
    CHECK_EQ(rdmsr(msr::hypercall), locked);
    (void)try_wrmsr(msr::hypercall, enabled_at(second_page));
    CHECK_EQ(rdmsr(msr::hypercall), locked);
}

TEST(reset_msr, reads_as_zero_and_ignores_zero, "2.0a appendix G, HV_X64_MSR_RESET")
{
    NEEDS(reset);
    CHECK_EQ(rdmsr(msr::reset), 0);
    CHECK(try_wrmsr(msr::reset, 0));
}

TEST(crash_msrs, parameters_keep_what_is_written, "partition-properties, guest crash enlightenment")
{
    NEEDS(crash_msrs);
    for (u32 i = 0; i < 5; ++i)
        wrmsr(msr::crash_p0 + i, 0x1111'2222'3333'4440 + i);
    for (u32 i = 0; i < 5; ++i) {
        note_position(i);
        CHECK_EQ(rdmsr(msr::crash_p0 + i), 0x1111'2222'3333'4440 + i);
        wrmsr(msr::crash_p0 + i, 0);
    }
}

TEST(crash_msrs, control_tells_what_is_supported, "HV_CRASH_CTL_REG_CONTENTS")
{
    NEEDS(crash_msrs);
    constexpr u64 crash_notify = u64{1} << 63;
    constexpr u64 reserved = (u64{1} << 58) - 1;
    CHECK(rdmsr(msr::crash_ctl) & crash_notify);
    CHECK_EQ(rdmsr(msr::crash_ctl) & reserved, 0);
}

TEST(frequency_msrs, are_plausible, "6.0b 12.2, HV_X64_MSR_TSC_FREQUENCY")
{
    NEEDS(frequency_msrs);
    auto const tsc = rdmsr(msr::tsc_frequency);
    auto const apic = rdmsr(msr::apic_frequency);
    CHECK(tsc >= 100'000'000 && tsc <= 20'000'000'000);
    CHECK(apic >= 1'000'000 && apic <= 20'000'000'000);
}

TEST(frequency_msrs, are_read_only, "6.0b appendix F")
{
    NEEDS(frequency_msrs);
    CHECK(!try_wrmsr(msr::tsc_frequency, 1'000'000'000));
    CHECK_EQ(this_cpu().fault.vector, general_protection);
    CHECK(!try_wrmsr(msr::apic_frequency, 1'000'000'000));
    CHECK_EQ(this_cpu().fault.vector, general_protection);
}

TEST(tsc_invariant_msr, keeps_bit_0_and_refuses_others, "Linux hyperv-tlfs.h, HV_EXPOSE_INVARIANT_TSC")
{
    NEEDS(tsc_invariant);
    CHECK_EQ(boot_value(msr::tsc_invariant_control).value, 0);
    wrmsr(msr::tsc_invariant_control, 1);
    CHECK_EQ(rdmsr(msr::tsc_invariant_control), 1);
    CHECK(!try_wrmsr(msr::tsc_invariant_control, 3));
    CHECK_EQ(this_cpu().fault.vector, general_protection);
    CHECK_EQ(rdmsr(msr::tsc_invariant_control), 1);
}
