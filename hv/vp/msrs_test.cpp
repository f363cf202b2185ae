/// Every synthetic MSR: its value after reset, what it keeps, what raises #GP, and who is offered it (TLFS 6.0b
/// appendix F).
#include "hv/abi/msr.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/msr_guest.hpp"

using namespace hv;
using namespace hv::testing;
namespace msr = abi::msr;

namespace {

constexpr auto all_ones = ~std::uint64_t{0};

} // namespace

TEST_CASE("the MSRs that exist, and no other, can be read by a partition with every right", "[msrs]")
{
    MsrGuest const g{Rights::root()};
    auto const exists = [](std::uint32_t n) {
        constexpr std::uint32_t single[]{msr::guest_os_id,
                                         msr::hypercall,
                                         msr::vp_index,
                                         msr::reset,
                                         msr::vp_runtime,
                                         msr::time_ref_count,
                                         msr::reference_tsc,
                                         msr::tsc_frequency,
                                         msr::apic_frequency,
                                         msr::vp_assist_page,
                                         msr::scontrol,
                                         msr::sversion,
                                         msr::siefp,
                                         msr::simp,
                                         msr::eom,
                                         msr::sirbp,
                                         msr::guest_idle,
                                         msr::crash_ctl,
                                         msr::tsc_invariant_control};
        return std::ranges::find(single, n) != std::end(single) || (n >= msr::sint0 && n <= msr::sint15) ||
               (n >= msr::stimer0_config && n <= msr::stimer3_count) || (n >= msr::crash_p0 && n <= msr::crash_p4);
    };
    for (auto n = msr::first; n < msr::first + msr::count; ++n) {
        INFO("MSR " << std::hex << n);
        CHECK(g.read(n).has_value() == exists(n));
        if (!exists(n)) CHECK_FALSE(g.write(n, 0));
    }
    for (std::uint32_t const outside : {0U, msr::first - 1, msr::first + msr::count, 0xFFFF'FFFFU}) {
        CHECK_FALSE(g.read(outside));
        CHECK_FALSE(g.write(outside, 0));
    }
}

TEST_CASE("an MSR that the partition has not been offered is #GP (TLFS 6.0b 4.2.2, 2.4)", "[msrs]")
{
    struct Case {
        std::optional<Privilege> privilege;
        std::optional<Feature> feature;
        std::vector<std::uint32_t> numbers;
    };
    using enum Privilege;
    auto const c = GENERATE(values<Case>(
        {{AccessHypercallMsrs, {}, {msr::guest_os_id, msr::hypercall}},
         {AccessVpIndex, {}, {msr::vp_index}},
         {AccessReset, {}, {msr::reset}},
         {AccessVpRunTime, {}, {msr::vp_runtime}},
         {AccessReferenceCounter, {}, {msr::time_ref_count}},
         {AccessReferenceTsc, {}, {msr::reference_tsc}},
         {AccessFrequencies, {}, {msr::tsc_frequency, msr::apic_frequency}},
         {AccessGuestIdle, {}, {msr::guest_idle}},
         {AccessTscInvariantControl, {}, {msr::tsc_invariant_control}},
         {AccessSynic,
          {},
          {msr::scontrol, msr::sversion, msr::siefp, msr::simp, msr::eom, msr::sirbp, msr::sint0, msr::sint15}},
         {CreatePartitions, {}, {msr::sirbp}},
         {AccessSyntheticTimers, {}, {msr::stimer0_config, msr::stimer3_count}},
         {{}, Feature::GuestCrash, {msr::crash_p0, msr::crash_p4, msr::crash_ctl}}}));
    MsrGuest const without{lacking(c.privilege, c.feature)};
    MsrGuest const with{Rights::root()};
    for (auto const n : c.numbers) {
        INFO("MSR " << std::hex << n);
        CHECK_FALSE(without.read(n));
        CHECK_FALSE(without.write(n, 0x1'0000));
        CHECK(with.read(n));
    }
    CHECK(without.guest.machine.resets == 0);
}

TEST_CASE("read-only MSRs: a write is #GP (TLFS 2.0a 14.6.2, 15.2.1; 6.0b appendix F)", "[msrs]")
{
    MsrGuest const g{Rights::root()};
    for (auto const n : {msr::vp_index, msr::vp_runtime, msr::time_ref_count, msr::tsc_frequency, msr::apic_frequency,
                         msr::sversion, msr::guest_idle}) {
        INFO("MSR " << std::hex << n);
        CHECK_FALSE(g.write(n, 0));
        CHECK_FALSE(g.write(n, all_ones));
    }
}

TEST_CASE("what the information MSRs say", "[msrs]")
{
    MsrGuest g;
    CHECK(g.read(msr::vp_index, 0) == 0U);
    CHECK(g.read(msr::vp_index, 1) == 1U);
    CHECK(g.read(msr::vp_runtime) == 4242U);
    CHECK(g.read(msr::tsc_frequency) == 1'000'000'000U);
    CHECK(g.read(msr::apic_frequency) == 1'000'000'000U);
    CHECK(g.read(msr::sversion) == 1U);
    CHECK(g.read(msr::eom) == 0U);
    CHECK(g.read(msr::reset) == 0U);
    CHECK(g.read(msr::time_ref_count) == 0U);
    g.guest.clock.advance_100ns(123);
    CHECK(g.read(msr::time_ref_count) == 123U);
}

TEST_CASE("registers after creation (TLFS 2.0a 14.6, 15.3, 15.4.1)", "[msrs]")
{
    MsrGuest const g{Rights::root()};
    for (auto const n : {msr::guest_os_id, msr::hypercall, msr::reference_tsc, msr::vp_assist_page, msr::scontrol,
                         msr::siefp, msr::simp, msr::sirbp, msr::tsc_invariant_control})
        CHECK(g.read(n) == 0U);
    for (auto n = msr::sint0; n <= msr::sint15; ++n)
        CHECK(g.read(n) == 0x1'0000U);
    for (auto n = msr::stimer0_config; n <= msr::stimer3_count; ++n)
        CHECK(g.read(n) == 0U);
    for (auto n = msr::crash_p0; n <= msr::crash_p4; ++n)
        CHECK(g.read(n) == 0U);
}

TEST_CASE("preserved reserved bits: SCONTROL, SIMP, SIEFP, SIRBP, SINTx, REFERENCE_TSC (TLFS 2.0a 14.6, 15.4.1)",
          "[msrs]")
{
    MsrGuest const g{Rights::root()};
    for (auto const n : {msr::scontrol, msr::siefp, msr::simp, msr::sirbp, msr::reference_tsc, msr::vp_assist_page}) {
        INFO("MSR " << std::hex << n);
        CHECK(g.write(n, 0xFFFF'FFFF'FFFF'FFFE));
        CHECK(g.read(n) == 0xFFFF'FFFF'FFFF'FFFEU);
        CHECK(g.write(n, 0));
    }
    CHECK(g.write(msr::sint0 + 4, 0xFFFF'FFFF'FFFF'FF40));
    CHECK(g.read(msr::sint0 + 4) == 0xFFFF'FFFF'FFFF'FF40U);
}

TEST_CASE("SINTx and SCONTROL are each VP's own (TLFS 2.0a 14.6)", "[msrs]")
{
    MsrGuest const g;
    CHECK(g.write(msr::sint0 + 2, 0x77, 1));
    CHECK(g.write(msr::scontrol, 1, 1));
    CHECK(g.read(msr::sint0 + 2, 0) == 0x1'0000U);
    CHECK(g.read(msr::scontrol, 0) == 0U);
    CHECK(g.read(msr::sint0 + 2, 1) == 0x77U);
}

TEST_CASE("SINTx: a vector below 16 is #GP unless masked, and changes nothing (TLFS 2.0a 14.6.5)", "[msrs]")
{
    MsrGuest const g;
    auto const number = GENERATE(as<std::uint32_t>{}, msr::sint0, msr::sint0 + 1, msr::sint15);
    for (std::uint64_t vector = 0; vector < 256; ++vector) {
        CHECK(g.write(number, vector) == (vector >= 16));
        CHECK(g.read(number) == (vector >= 16 ? vector : 0x1'0000U));
    }
    for (std::uint64_t vector = 0; vector < 16; ++vector)
        CHECK(g.write(number, 0x1'0000 | vector));
    CHECK_FALSE(g.write(number, 0x2'0000));
    CHECK_FALSE(g.write(number, 0x4'0000));
    CHECK(g.read(number) == 0x1'000FU);
}

TEST_CASE("the polling bit is kept only where CPUID offers it (TLFS 6.0b 2.4, 11.8.5)", "[msrs]")
{
    MsrGuest const with;
    CHECK(with.write(msr::sint0 + 2, 0x4'0040));
    CHECK(with.read(msr::sint0 + 2) == 0x4'0040U);
    MsrGuest const without{lacking({}, Feature::SintPolling)};
    CHECK(without.write(msr::sint0 + 2, 0x4'0040));
    CHECK(without.read(msr::sint0 + 2) == 0x40U);
}

TEST_CASE("RESET: bit 0 resets (TLFS 6.0b appendix F)", "[msrs]")
{
    MsrGuest const g;
    CHECK(g.write(msr::reset, 0));
    CHECK(g.write(msr::reset, 2));
    CHECK(g.guest.machine.resets == 0);
    CHECK(g.write(msr::reset, 1));
    CHECK(g.guest.machine.resets == 1);
}

TEST_CASE("GUEST_IDLE: reading it idles (TLFS 6.0b 7.5)", "[msrs]")
{
    MsrGuest const g;
    CHECK(g.read(msr::guest_idle, 1));
    CHECK(g.guest.controls[0]->idles == 0);
    CHECK(g.guest.controls[1]->idles == 1);
}

TEST_CASE("CRASH: parameters are kept, and CRASH_CTL says what it can and reports (TLFS 6.0b 4.3)", "[msrs]")
{
    MsrGuest const g;
    for (std::uint32_t n = 0; n < 5; ++n)
        CHECK(g.write(msr::crash_p0 + n, 0x1000 + n));
    for (std::uint32_t n = 0; n < 5; ++n)
        CHECK(g.read(msr::crash_p0 + n, 1) == 0x1000U + n);
    CHECK(g.read(msr::crash_ctl) == 0xC000'0000'0000'0000U);

    CHECK(g.write(msr::crash_ctl, std::uint64_t{1} << 62)); // no notification asked for
    CHECK(g.guest.machine.crashes.empty());
    CHECK(g.write(msr::crash_ctl, 0xC000'0000'0000'0000));
    REQUIRE(g.guest.machine.crashes.size() == 1);
    CHECK(g.guest.machine.crashes[0].parameters ==
          std::array<std::uint64_t, 5>{0x1000, 0x1001, 0x1002, 0x1003, 0x1004});
    CHECK(g.guest.machine.crashes[0].control == 0xC000'0000'0000'0000);
}

TEST_CASE("TSC_INVARIANT_CONTROL: bit 0 only (Linux, hyperv-tlfs.h)", "[msrs]")
{
    MsrGuest const g;
    CHECK(g.write(msr::tsc_invariant_control, 1));
    CHECK(g.read(msr::tsc_invariant_control) == 1U);
    CHECK(g.guest.controls[0]->accelerated.invariant_tsc == true);
    CHECK_FALSE(g.write(msr::tsc_invariant_control, 2));
    CHECK_FALSE(g.write(msr::tsc_invariant_control, all_ones));
    CHECK(g.read(msr::tsc_invariant_control) == 1U);
    CHECK(g.write(msr::tsc_invariant_control, 0));
    CHECK(g.guest.controls[0]->accelerated.invariant_tsc == false);
}

TEST_CASE("the tracer is told of each access, also of one that faults", "[msrs]")
{
    struct Recorder final : QuietTracer {
        struct Access {
            std::uint32_t msr;
            std::uint64_t value;
            bool write, ok;
            bool operator==(Access const&) const = default;
        };
        std::vector<Access> seen;
        void msr_read(VpIndex, std::uint32_t n, std::uint64_t v, bool ok) override
        {
            seen.push_back({n, v, false, ok});
        }
        void msr_write(VpIndex, std::uint32_t n, std::uint64_t v, bool ok) override
        {
            seen.push_back({n, v, true, ok});
        }
    } recorder;
    PartitionRegistry registry;
    TestGuest const guest{registry, Rights::ordinary(), 1, PartitionRegistry::root_id, 1 << 20, &recorder};
    (void)guest.vp().read_msr(msr::sversion);
    (void)guest.vp().read_msr(0x4000'0123);
    (void)guest.vp().write_msr(msr::scontrol, 1);
    (void)guest.vp().write_msr(msr::sversion, 5);
    using Access = Recorder::Access;
    CHECK(recorder.seen == std::vector<Access>{{msr::sversion, 1, false, true},
                                               {0x4000'0123, 0, false, false},
                                               {msr::scontrol, 1, true, true},
                                               {msr::sversion, 5, true, false}});
}

TEST_CASE("what accelerates a VP learns GUEST_OS_ID when that VP writes it", "[msrs]")
{
    PartitionRegistry registry;
    TestGuest const guest{registry};
    REQUIRE(guest.vp(1).write_msr(msr::guest_os_id, 0x81));
    REQUIRE(guest.vp(0).write_msr(msr::guest_os_id, 0));
    CHECK(guest.controls[1]->accelerated.guest_os_ids == std::vector<std::uint64_t>{0x81});
    CHECK(guest.controls[0]->accelerated.guest_os_ids == std::vector<std::uint64_t>{0});
}

TEST_CASE("a VP that nothing accelerates has the same registers", "[msrs]")
{
    PartitionRegistry registry;
    TestGuest const guest{registry, Rights::root(), 0};
    FakeVpControl control;
    control.is_accelerated = false;
    auto& vp = guest.partition->add_vp(control);
    auto const direct = abi::StimerConfig::enable_bit | abi::StimerConfig::direct_bit | 0x40U << 4;
    for (auto const& [number, value] :
         std::vector<std::pair<std::uint32_t, std::uint64_t>>{{msr::guest_os_id, 0x81},
                                                              {msr::reference_tsc, 0x9001},
                                                              {msr::vp_assist_page, 0xA001},
                                                              {msr::tsc_invariant_control, 1},
                                                              {msr::stimer0_config + 1, 1'000'000},
                                                              {msr::stimer0_config, direct}}) {
        INFO(number);
        CHECK(vp.write_msr(number, value));
        CHECK(vp.read_msr(number) == value);
    }
    CHECK(control.deadline == RefTime{1'000'000});
}
