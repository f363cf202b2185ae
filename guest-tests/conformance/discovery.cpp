// What CPUID says, and that the MSRs agree with it. TLFS online "Feature and Interface Discovery".
#include "runtime/cpu.hpp"
#include "runtime/test.hpp"
#include "runtime/traps.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

struct Range {
    u32 first, last;
    Feature const& feature;
};

/// MSRs that can be read without a side effect, by the feature that offers them.
constexpr Range readable[] = {
    {msr::guest_os_id, msr::hypercall, feature::hypercall_msrs},
    {msr::vp_index, msr::vp_index, feature::vp_index},
    {msr::reset, msr::reset, feature::reset},
    {msr::vp_runtime, msr::vp_runtime, feature::vp_runtime},
    {msr::time_ref_count, msr::time_ref_count, feature::reference_counter},
    {msr::reference_tsc, msr::reference_tsc, feature::reference_tsc},
    {msr::tsc_frequency, msr::apic_frequency, feature::frequency_msrs},
    {msr::tpr, msr::tpr, feature::apic_msrs},
    {msr::scontrol, msr::eom, feature::synic},
    {msr::sirbp, msr::sirbp, feature::create_partitions},
    {msr::sint0, msr::sint0 + 15, feature::synic},
    {msr::stimer0_config, msr::stimer0_config + 7, feature::timers},
    {msr::crash_p0, msr::crash_ctl, feature::crash_msrs},
    {msr::tsc_invariant_control, msr::tsc_invariant_control, feature::tsc_invariant},
};

bool same(CpuidResult const& a, CpuidResult const& b)
{
    return a.eax == b.eax && a.ebx == b.ebx && a.ecx == b.ecx && a.edx == b.edx;
}

} // namespace

TEST(discovery, vendor_signature, "feature-discovery, 0x40000000")
{
    NEEDS_HYPERV();
    auto const leaf = cpuid(leaf_vendor);
    CHECK_EQ(leaf.ebx, 0x7263694D);
    CHECK_EQ(leaf.ecx, 0x666F736F);
    CHECK_EQ(leaf.edx, 0x76482074);
}

TEST(discovery, maximum_leaf, "feature-discovery, 0x40000000")
{
    NEEDS_HYPERV();
    CHECK(cpuid(leaf_vendor).eax >= leaf_limits);
    CHECK(cpuid(leaf_vendor).eax <= 0x400000FF);
}

TEST(discovery, interface_signature, "feature-discovery, 0x40000001")
{
    NEEDS_HYPERV();
    CHECK_EQ(cpuid(leaf_interface).eax, 0x31237648);
}

TEST(discovery, interface_implies_three_msrs, "hypercall-interface, establishing")
{
    NEEDS_HYPERV();
    CHECK(offered(feature::hypercall_msrs));
    CHECK(offered(feature::vp_index));
}

TEST(discovery, limits_cover_the_machine, "feature-discovery, 0x40000005")
{
    NEEDS_HYPERV();
    auto const most = cpuid(leaf_limits).eax;
    CHECK(most == 0 || most >= cpu_count());
}

TEST(discovery, spinlock_advice, "feature-discovery, 0x40000004")
{
    NEEDS_HYPERV();
    auto const leaf = cpuid(leaf_recommendations);
    CHECK(leaf.ebx != 0);
    auto const physical_bits = leaf.ecx & 0x7F;
    CHECK(physical_bits == 0 || (physical_bits >= 32 && physical_bits <= 57));
}

TEST(discovery, leaves_agree_on_all_processors, "feature-discovery")
{
    NEEDS_HYPERV();
    NEEDS_SECOND_CPU();
    for (unsigned i = 1; i < cpu_count(); ++i) {
        bool equal = true;
        auto const last = cpuid(leaf_vendor).eax < leaf_hardware ? leaf_limits : leaf_hardware;
        CpuidResult mine[7]{};
        for (u32 leaf = leaf_vendor; leaf <= last; ++leaf)
            mine[leaf - leaf_vendor] = cpuid(leaf);
        CHECK(run_on(i, [&] {
            for (u32 leaf = leaf_vendor; leaf <= last; ++leaf)
                equal = equal && same(mine[leaf - leaf_vendor], cpuid(leaf));
        }));
        note_position(i);
        CHECK(equal);
    }
}

TEST(discovery, offered_msrs_can_be_read, "HV_PARTITION_PRIVILEGE_MASK")
{
    NEEDS_HYPERV();
    for (auto const& range : readable) {
        if (!offered(range.feature)) continue;
        for (auto number = range.first; number <= range.last; ++number) {
            note_position(number);
            CHECK(try_rdmsr(number).ok);
        }
    }
}

TEST(discovery, other_msrs_are_refused, "HV_PARTITION_PRIVILEGE_MASK")
{
    NEEDS_HYPERV();
    for (auto const& range : readable) {
        if (offered(range.feature)) continue;
        for (auto number = range.first; number <= range.last; ++number) {
            note_position(number);
            CHECK(!try_rdmsr(number).ok);
            CHECK_EQ(this_cpu().fault.vector, general_protection);
        }
    }
}

TEST(discovery, unknown_msrs_raise_gp, "6.0b appendix F, synthetic MSRs")
{
    NEEDS_HYPERV();
    /// Gaps in every edition's table of synthetic MSRs.
    constexpr struct {
        u32 first, last;
    } gaps[] = {{0x40000004, 0x4000000F}, {0x40000024, 0x4000003F}, {0x40000086, 0x4000008F},
                {0x400000A0, 0x400000AF}, {0x400000B8, 0x400000BF}, {0x40000109, 0x40000113},
                {0x40000119, 0x400001FF}};
    for (auto const& gap : gaps) {
        for (auto number = gap.first; number <= gap.last; ++number) {
            note_position(number);
            CHECK(!try_rdmsr(number).ok);
            CHECK_EQ(this_cpu().fault.vector, general_protection);
            CHECK_EQ(this_cpu().fault.error_code, 0);
        }
        note_position(gap.first);
        CHECK(!try_wrmsr(gap.first, 0));
        CHECK_EQ(this_cpu().fault.vector, general_protection);
    }
}
