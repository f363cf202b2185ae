// The SynIC's MSRs: values, reserved bits, pages. TLFS 2.0a 14.6; online "Virtual Interrupt Control".
#include "conformance/boot_state.hpp"
#include "conformance/overlay.hpp"
#include "hyperv/peer.hpp"
#include "hyperv/synic.hpp"
#include "runtime/test.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

Page first_page;
Page second_page;

/// A page of the SynIC's, which starts as zeros and hides what lies under it.
void starts_disabled(u32 msr)
{
    CHECK(boot_value(msr).ok);
    CHECK_EQ(boot_value(msr).value, 0);
}

void appears_as_zeros(u32 msr)
{
    first_page.fill(0x5A);
    wrmsr(msr, gpa(&first_page) | enable_bit);
    bool const zero = first_page.holds_only(0);
    wrmsr(msr, 0);
    CHECK(zero);
}

void survives_bad_addresses(u32 msr)
{
    SKIP_UNLESS(peer_present(), "no test peer at I/O port 0x3010; QEMU 7.2 aborts on this");
    constexpr u64 local_apic_and_beyond_memory[] = {0xFEE0'0000, 0xF'FFFF'FFFF'F000};
    for (auto const address : local_apic_and_beyond_memory) {
        note_position(address);
        if (try_wrmsr(msr, address | enable_bit)) CHECK_EQ(rdmsr(msr), address | enable_bit);
        wrmsr(msr::scontrol, enable_bit);
        wrmsr(msr::eom, 0);
        wrmsr(msr::scontrol, 0);
        wrmsr(msr, 0);
    }
    CHECK_EQ(rdmsr(msr), 0);
}

} // namespace

TEST(synic_msrs, scontrol_starts_disabled, "2.0a 14.6.1")
{
    NEEDS(synic);
    RUN(starts_disabled(msr::scontrol));
    wrmsr(msr::scontrol, enable_bit);
    CHECK_EQ(rdmsr(msr::scontrol), enable_bit);
    wrmsr(msr::scontrol, 0);
    CHECK_EQ(rdmsr(msr::scontrol), 0);
}

TEST(synic_msrs, scontrol_is_each_processors_own, "2.0a 14.6")
{
    NEEDS(synic);
    NEEDS_SECOND_CPU();
    wrmsr(msr::scontrol, enable_bit);
    u64 other = ~u64{0};
    CHECK(run_on(1, [&] { other = rdmsr(msr::scontrol); }));
    CHECK_EQ(other, 0);
}

TEST(synic_msrs, sversion_is_one_and_read_only, "2.0a 14.6.2")
{
    NEEDS(synic);
    CHECK_EQ(rdmsr(msr::sversion) & 0xFFFF'FFFF, 1);
    CHECK(!try_wrmsr(msr::sversion, 1));
    CHECK_EQ(this_cpu().fault.vector, general_protection);
}

TEST(synic_msrs, siefp_starts_disabled, "2.0a 14.6.3")
{
    NEEDS(synic);
    RUN(starts_disabled(msr::siefp));
}

TEST(synic_msrs, siefp_page_starts_as_zeros, "2.0a 14.7")
{
    NEEDS(synic);
    RUN(appears_as_zeros(msr::siefp));
}

TEST(synic_msrs, siefp_gives_memory_back, "2.0a 14.7, 8.1.3")
{
    NEEDS(synic);
    RUN(overlay_gives_back(msr::siefp, first_page));
    RUN(overlay_moves(msr::siefp, first_page, second_page));
}

TEST(synic_msrs, siefp_survives_bad_addresses, "2.0a 14.6.3")
{
    NEEDS(synic);
    RUN(survives_bad_addresses(msr::siefp));
}

TEST(synic_msrs, simp_starts_disabled, "2.0a 14.6.4")
{
    NEEDS(synic);
    RUN(starts_disabled(msr::simp));
}

TEST(synic_msrs, simp_page_starts_as_zeros, "2.0a 14.7")
{
    NEEDS(synic);
    RUN(appears_as_zeros(msr::simp));
}

TEST(synic_msrs, simp_gives_memory_back, "2.0a 14.7, 8.1.3")
{
    NEEDS(synic);
    RUN(overlay_gives_back(msr::simp, first_page));
    RUN(overlay_moves(msr::simp, first_page, second_page));
}

TEST(synic_msrs, simp_survives_bad_addresses, "2.0a 14.6.4")
{
    NEEDS(synic);
    RUN(survives_bad_addresses(msr::simp));
}

TEST(synic_msrs, eom_reads_as_zero, "2.0a 14.6.6")
{
    NEEDS(synic);
    CHECK_EQ(rdmsr(msr::eom), 0);
    CHECK(try_wrmsr(msr::eom, 0));
    CHECK_EQ(rdmsr(msr::eom), 0);
}

TEST(synic_msrs, sints_start_masked, "2.0a 14.6.5")
{
    NEEDS(synic);
    for (u32 i = 0; i < sint_count; ++i) {
        note_position(i);
        CHECK(boot_value(msr::sint0 + i).ok);
        CHECK_EQ(boot_value(msr::sint0 + i).value, sint_reset_value);
    }
}

TEST(synic_msrs, sints_start_masked_on_every_processor, "2.0a 14.6.5")
{
    NEEDS(synic);
    NEEDS_SECOND_CPU();
    for (unsigned i = 1; i < cpu_count(); ++i) {
        u64 all = 0;
        CHECK(run_on(i, [&] {
            for (u32 sint = 0; sint < sint_count; ++sint)
                all |= rdmsr(msr::sint0 + sint);
        }));
        note_position(i);
        CHECK_EQ(all, sint_reset_value);
    }
}

TEST(synic_msrs, sints_keep_what_is_written, "2.0a 14.6.5")
{
    NEEDS(synic);
    for (u32 i = 0; i < sint_count; ++i)
        wrmsr(msr::sint0 + i, 0x40 + i);
    for (u32 i = 0; i < sint_count; ++i) {
        note_position(i);
        CHECK_EQ(rdmsr(msr::sint0 + i), 0x40 + i);
    }
    wrmsr(msr::sint0 + 2, 0x50 | sint_auto_eoi);
    CHECK_EQ(rdmsr(msr::sint0 + 2), 0x50 | sint_auto_eoi);
}

TEST(synic_msrs, sint_vectors_below_16_raise_gp, "2.0a 14.6.5")
{
    NEEDS(synic);
    for (u32 vector = 0; vector < 16; ++vector) {
        note_position(vector);
        CHECK(!try_wrmsr(msr::sint0 + 2, vector));
        CHECK_EQ(this_cpu().fault.vector, general_protection);
        CHECK_EQ(rdmsr(msr::sint0 + 2), sint_reset_value);
    }
    CHECK(try_wrmsr(msr::sint0 + 2, 16));
    CHECK(try_wrmsr(msr::sint0 + 2, 255));
}

TEST(timer_msrs, start_as_zero, "2.0a 15.3")
{
    NEEDS(timers);
    for (u32 i = 0; i < 2 * timer_count; ++i) {
        note_position(i);
        CHECK(boot_value(msr::stimer0_config + i).ok);
        CHECK_EQ(boot_value(msr::stimer0_config + i).value, 0);
    }
}

TEST(timer_msrs, keep_what_is_written, "2.0a 15.3")
{
    NEEDS(timers);
    for (u32 i = 0; i < timer_count; ++i) {
        note_position(i);
        auto const lazy_periodic_on_sint = 0x6 | u64{i + 1} << 16;
        wrmsr(msr::stimer0_config + 2 * i, lazy_periodic_on_sint);
        wrmsr(msr::stimer0_count + 2 * i, 0x1234'5678'9ABC + i);
        CHECK_EQ(rdmsr(msr::stimer0_config + 2 * i), lazy_periodic_on_sint);
        CHECK_EQ(rdmsr(msr::stimer0_count + 2 * i), 0x1234'5678'9ABC + i);
    }
}
