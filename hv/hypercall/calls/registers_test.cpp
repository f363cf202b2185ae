/// HvGetVpRegisters and HvSetVpRegisters (TLFS 6.0b §7.10.1, §7.10.2; 2.0a §10.4.3, §10.4.4).
#include "hv/abi/vp_calls.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/threads.hpp"

#include <atomic>

using namespace hv;
using namespace hv::testing;
using abi::CallCode;
using abi::RegisterValue;
using abi::SetRegisterElement;
using Name = abi::RegisterName;

namespace {

constexpr auto self = self_partition.value;

/// Two VPs, each with a RIP and a CR3 of its own.
struct Registers {
    PartitionRegistry registry;
    TestGuest guest;

    explicit Registers(Rights rights = Rights::root()) : guest{registry, rights}
    {
        for (unsigned i = 0; i < 2; ++i)
            guest.controls[i]->registers = {{Name::Rip, {0x1000 + i, 0}}, {Name::Cr3, {0x8000 + i, 0}}};
    }
};

std::uint64_t get(TestGuest const& caller, std::uint32_t vp, std::vector<Name> const& names,
                  std::uint64_t partition = self, std::uint64_t start = 0)
{
    return rep_call(caller, CallCode::GetVpRegisters, abi::VpRegistersInput{partition, vp, 0, {}}, names, start);
}

std::uint64_t set(TestGuest const& caller, std::uint32_t vp, std::vector<SetRegisterElement> const& registers,
                  std::uint64_t partition = self, std::uint64_t start = 0)
{
    return rep_call(caller, CallCode::SetVpRegisters, abi::VpRegistersInput{partition, vp, 0, {}}, registers, start);
}

SetRegisterElement element(Name name, std::uint64_t low, std::uint64_t high = 0)
{
    return {name, 0xFFFF'FFFF, ~std::uint64_t{0}, {low, high}}; // padding is ignored
}

RegisterValue value(TestGuest const& caller, std::size_t index)
{
    return output_element<RegisterValue>(caller, index);
}

/// One synthetic register, read through the call.
std::optional<std::uint64_t> synthetic(TestGuest const& guest, Name name, std::uint32_t vp = 1)
{
    if (status_of(get(guest, vp, {name})) != Status::Success) return std::nullopt;
    CHECK(value(guest, 0).high == 0);
    return value(guest, 0).low;
}

} // namespace

TEST_CASE("registers of one's own VP and of another are read, after the call counts as done", "[registers]")
{
    Registers const g;
    CHECK(get(g.guest, 1, {Name::Rip, Name::Cr3}) == abi::result(Status::Success, 2));
    CHECK(value(g.guest, 0) == RegisterValue{0x1001, 0});
    CHECK(value(g.guest, 1) == RegisterValue{0x8001, 0});
    CHECK(g.guest.controls[0]->settled == 1);

    CHECK(get(g.guest, 0, {Name::Rip}) == abi::result(Status::Success, 1));
    CHECK(value(g.guest, 0).low == 0x1000);
    CHECK(get(g.guest, self_vp.value, {Name::Cr3}) == abi::result(Status::Success, 1));
    CHECK(value(g.guest, 0).low == 0x8000);
    CHECK(g.guest.controls[0]->settled == 3);
    CHECK(g.guest.controls[1]->settled == 0);
}

TEST_CASE("registers are set in order, up to the one that fails (TLFS 6.0b 7.10.1)", "[registers]")
{
    Registers const g;
    CHECK(set(g.guest, 1, {element(Name::Rip, 0x77), element(Name::Cr3, 0x99)}) == abi::result(Status::Success, 2));
    auto& registers = g.guest.controls[1]->registers;
    CHECK(registers[Name::Rip].low == 0x77);
    CHECK(registers[Name::Cr3].low == 0x99);
    CHECK(g.guest.controls[0]->registers[Name::Rip].low == 0x1000);

    CHECK(set(g.guest, 1, {element(Name::Rip, 1), element(Name{0x1234}, 0), element(Name::Cr3, 3)}) ==
          abi::result(Status::InvalidParameter, 1));
    CHECK(registers[Name::Rip].low == 1);
    CHECK(registers[Name::Cr3].low == 0x99);
    CHECK(set(g.guest, 1, {element(Name{0x1234}, 0), element(Name::Cr3, 5)}, self, 1) ==
          abi::result(Status::Success, 2));
    CHECK(registers[Name::Cr3].low == 5);
    CHECK(set(g.guest, self_vp.value, {element(Name::Rip, 6)}) == abi::result(Status::Success, 1));
    CHECK(g.guest.controls[0]->registers[Name::Rip].low == 6);
}

TEST_CASE("reading stops at a name that is not known; what was read is there (TLFS 6.0b 7.10.2)", "[registers]")
{
    Registers const g;
    CHECK(get(g.guest, 1, {Name::Cr3, Name::Rip, Name::R15, Name::Cr3}) == abi::result(Status::InvalidParameter, 2));
    CHECK(value(g.guest, 0).low == 0x8001);
    CHECK(value(g.guest, 1).low == 0x1001);
    CHECK(get(g.guest, 1, {Name::R15, Name::R15, Name::Rip}, self, 2) == abi::result(Status::Success, 3));
    CHECK(value(g.guest, 2).low == 0x1001);
}

TEST_CASE("a value that the register cannot have is INVALID_REGISTER_VALUE (TLFS 6.0b 7.10.1)", "[registers]")
{
    Registers const g;
    g.guest.controls[1]->takes_values = false;
    CHECK(status_of(set(g.guest, 1, {element(Name::Rip, 1)})) == Status::InvalidRegisterValue);
    CHECK(status_of(set(g.guest, 1, {element(Name::Sint0, 0x40, 1)})) == Status::InvalidRegisterValue); // 64 bits
    CHECK(status_of(set(g.guest, 1, {element(Name::Sint0, 0)})) == Status::InvalidRegisterValue);       // #GP as MSR
    CHECK(status_of(set(g.guest, 1, {element(Name::Hypercall, 0x7FFF'F001)})) == Status::Success); // no OS ID yet
}

TEST_CASE("access to registers: every documented status (TLFS 6.0b 7.10.1, 7.10.2)", "[registers]")
{
    PartitionRegistry registry;
    TestGuest const parent{registry};
    TestGuest const child{registry, Rights::ordinary(), 1, parent.partition->id()};
    auto const child_id = child.partition->id().value;
    child.controls[0]->registers = {{Name::Rip, {0xC0DE, 0}}};
    auto const status = [](std::uint64_t result) { return status_of(result); };

    CHECK(status(get(parent, 0, {Name::Rip}, child_id)) == Status::Success);
    CHECK(value(parent, 0).low == 0xC0DE);
    CHECK(status(set(parent, 0, {element(Name::Rip, 0xD00D)}, child_id)) == Status::Success);
    CHECK(child.controls[0]->registers[Name::Rip].low == 0xD00D);

    for (auto const partition : {self, child_id, parent.partition->id().value, std::uint64_t{999}}) {
        CHECK(status(get(child, 0, {Name::VpIndex}, partition)) == Status::AccessDenied);
        CHECK(status(set(child, 0, {element(Name::Sint0, 0x40)}, partition)) == Status::AccessDenied);
    }
    CHECK(status(get(parent, 0, {Name::Rip}, PartitionRegistry::root_id.value)) == Status::AccessDenied);
    CHECK(status(get(parent, 0, {Name::Rip}, 999)) == Status::InvalidPartitionId);
    CHECK(status(set(parent, 0, {element(Name::Rip, 1)}, 999)) == Status::InvalidPartitionId);
    for (auto const vp : {1U, 254U, any_vp.value, self_vp.value}) { // SELF is a VP of the caller's partition only
        CHECK(status(get(parent, vp, {Name::Rip}, child_id)) == Status::InvalidVpIndex);
        CHECK(status(set(parent, vp, {element(Name::Rip, 1)}, child_id)) == Status::InvalidVpIndex);
    }
    CHECK(status(get(parent, any_vp.value, {Name::VpIndex})) == Status::InvalidVpIndex);

    auto const with = [&](std::uint8_t vtl, std::uint8_t reserved) {
        return status(rep_call(parent, CallCode::GetVpRegisters,
                               abi::VpRegistersInput{self, 0, vtl, {0, reserved, 0}}, std::vector{Name::VpIndex}));
    };
    CHECK(with(0x10, 0) == Status::Success);
    CHECK(with(0x11, 0) == Status::InvalidParameter);
    CHECK(with(0x20, 0) == Status::InvalidParameter);
    CHECK(with(0, 1) == Status::InvalidParameter);

    child.vp().requests().close(); // its machine has stopped, or has not started
    CHECK(get(parent, 0, {Name::Rip}, child_id) == abi::result(Status::InvalidPartitionState, 0));
    CHECK(set(parent, 0, {element(Name::Rip, 1)}, child_id) == abi::result(Status::InvalidPartitionState, 0));
    child.vp().requests().open();
    child.partition->set_active(false);
    CHECK(status(get(parent, 0, {Name::Rip}, child_id)) == Status::InvalidPartitionState);
    CHECK(status(set(parent, 0, {element(Name::Rip, 1)}, child_id)) == Status::InvalidPartitionState);
}

TEST_CASE("HvSetVpRegisters may be fast, with up to three registers (newest, XMM fast input)", "[registers]")
{
    Registers const g;
    auto const fast_set = [&](std::uint64_t count) {
        std::array<std::uint64_t, 14> block{};
        auto* words = block.data() + 2;
        for (unsigned i = 0; i < 3; ++i, words += 4) {
            words[0] = static_cast<std::uint64_t>(i == 0 ? Name::Rip : Name::Cr3);
            words[2] = 0x100 + i;
        }
        std::memcpy(g.guest.controls[0]->xmm.data(), block.data() + 2, 96);
        auto const control = static_cast<std::uint64_t>(CallCode::SetVpRegisters) | 1U << 16 | reps(count);
        return dispatch(g.guest.vp(), {{control}, self, 1});
    };
    CHECK(fast_set(1) == abi::result(Status::Success, 1));
    CHECK(g.guest.controls[1]->registers[Name::Rip].low == 0x100);
    CHECK(fast_set(3) == abi::result(Status::Success, 3));
    CHECK(g.guest.controls[1]->registers[Name::Cr3].low == 0x102);
    CHECK(status_of(fast_set(4)) == Status::InvalidHypercallInput);
}

TEST_CASE("synthetic registers are the model's own, of the VP that is named (TLFS 2.0a 10.2.2; newest)",
          "[registers]")
{
    Registers const g;
    auto const& guest = g.guest;
    CHECK(synthetic(guest, Name::VpIndex, 0) == 0U);
    CHECK(synthetic(guest, Name::VpIndex) == 1U);
    CHECK(synthetic(guest, Name::InitialApicId) == 1U);
    CHECK(synthetic(guest, Name::VpRuntime) == 4242U);
    CHECK(synthetic(guest, Name::Sversion) == 1U);
    CHECK(synthetic(guest, Name::Eom) == 0U);
    CHECK(synthetic(guest, Name::Sint15) == 0x1'0000U);
    CHECK(synthetic(guest, Name::TimeRefCount) == 0U);

    struct Setting {
        Name name;
        std::uint64_t value;
        std::uint32_t msr;
    };
    Setting const settings[]{
        {Name::GuestOsId, 0x8123, abi::msr::guest_os_id},
        {Name::Sint0, 0x77, abi::msr::sint0},
        {Name{0x000A'000F}, 0x78, abi::msr::sint15},
        {Name::Scontrol, 1, abi::msr::scontrol},
        {Name::Siefp, 0x2001, abi::msr::siefp},
        {Name::Simp, 0x3001, abi::msr::simp},
        {Name::VpAssistPage, 0xF000, abi::msr::vp_assist_page},
        {Name::ReferenceTsc, 0xE000, abi::msr::reference_tsc},
        {Name::Hypercall, 0xD001, abi::msr::hypercall},
        {Name::Stimer0Config, 0x2'0000, abi::msr::stimer0_config},
        {Name::Stimer3Count, 500, abi::msr::stimer3_count},
        {Name::GuestCrashP0, 0xBAD, abi::msr::crash_p0},
        {Name{0x0000'0214}, 0xBAD4, abi::msr::crash_p4},
    };
    for (auto const& s : settings) {
        INFO(std::hex << static_cast<std::uint32_t>(s.name));
        CHECK(set(guest, 1, {element(s.name, s.value)}) == abi::result(Status::Success, 1));
        CHECK(synthetic(guest, s.name) == s.value);
        CHECK(guest.vp(1).read_msr(s.msr) == s.value);
    }
    CHECK(guest.vp(0).read_msr(abi::msr::sint0) == 0x1'0000U);
}

TEST_CASE("the TSC is set for the whole partition, and its reference time goes on (TLFS 2.0a 10.4.4, 15.4.3)",
          "[registers][time]")
{
    Registers g;
    CHECK(set(g.guest, 1, {element(Name::Tsc, 0)}) == abi::result(Status::InvalidParameter, 0)); // nobody's to set
    g.guest.machine.tsc_of = &g.guest.clock;
    CHECK(set(g.guest, 0, {element(Name::ReferenceTsc, 0xE001)}) == abi::result(Status::Success, 1));
    g.guest.clock.advance_100ns(70'000);
    CHECK(set(g.guest, 1, {element(Name::Tsc, 500)}) == abi::result(Status::Success, 1));
    CHECK(g.guest.clock.tsc == 500);
    CHECK(synthetic(g.guest, Name::TimeRefCount) == 70'000U);
    abi::ReferenceTscPage page{};
    std::memcpy(&page, g.guest.ram.get() + 0xE000, sizeof page);
    CHECK(page.sequence == 2);
    CHECK(page.offset == g.guest.partition->time().page().offset);

    auto const& told = g.guest.controls[1]->accelerated.moved_pages; // what runs timers by the page
    CHECK(told == std::vector{std::optional{Gpa{0xE000}}});
    CHECK(set(g.guest, 0, {element(Name::ReferenceTsc, 0xE000)}) == abi::result(Status::Success, 1));
    CHECK(set(g.guest, 1, {element(Name::Tsc, 9000)}) == abi::result(Status::Success, 1));
    REQUIRE(told.size() == 2);
    CHECK_FALSE(told[1]); // it is nowhere
}

TEST_CASE("read-only synthetic registers cannot be set (TLFS 2.0a 10.4.4)", "[registers]")
{
    Registers const g;
    for (auto const name : {Name::VpIndex, Name::VpRuntime, Name::TimeRefCount, Name::Sversion, Name::InitialApicId,
                            Name::HypervisorVersion, Name::PrivilegesAndFeaturesInfo})
        CHECK(set(g.guest, 1, {element(name, 0)}) == abi::result(Status::InvalidParameter, 0));
}

TEST_CASE("a synthetic register that the partition is not offered is none of its registers", "[registers]")
{
    auto rights = Rights::root();
    rights.set(Privilege::AccessSynic, false);
    Registers const g{rights};
    CHECK_FALSE(synthetic(g.guest, Name::Scontrol));
    CHECK(status_of(set(g.guest, 1, {element(Name::Scontrol, 1)})) == Status::InvalidParameter);
    CHECK(synthetic(g.guest, Name::VpIndex));
}

TEST_CASE("feature registers say what CPUID says (newest, HV_REGISTER_NAME)", "[registers]")
{
    Registers const g;
    CHECK(get(g.guest, 1,
              {Name::HypervisorVersion, Name::PrivilegesAndFeaturesInfo, Name::FeaturesInfo,
               Name::ImplementationLimitsInfo, Name::HardwareFeaturesInfo}) == abi::result(Status::Success, 5));
    auto const& rights = g.guest.partition->rights();
    CHECK(value(g.guest, 0).low >> 48 == 10); // EBX: the major version
    CHECK(value(g.guest, 1) == RegisterValue{rights.privileges(), std::uint64_t{rights.edx()} << 32});
    CHECK((value(g.guest, 2).low & 1U << 9) != 0);
    CHECK(value(g.guest, 4) == RegisterValue{0, 0});
}

TEST_CASE("two VPs that read each other's registers at once both get them", "[registers][threads]")
{
    constexpr unsigned rounds = 500;
    Registers const g;
    std::atomic<unsigned> done{0};
    std::array<std::atomic<bool>, 2> kicked{};
    for (unsigned i = 0; i < 2; ++i)
        g.guest.controls[i]->on_kick = [&kicked, i] { kicked[i].store(true); };
    auto const vp = [&](unsigned own) {
        return [&, own] {
            for (unsigned round = 0; round < rounds; ++round) {
                if (kicked[own].exchange(false)) g.guest.vp(own).requests().serve();
                auto const result =
                    rep_call(g.guest, CallCode::GetVpRegisters, abi::VpRegistersInput{self, 1 - own, 0, {}},
                             std::vector{Name::Rip}, 0, own);
                if (result == abi::result(Status::Success, 1) &&
                    output_element<RegisterValue>(g.guest, 0, own).low == 0x1001 - own)
                    ++done;
            }
            g.guest.vp(own).requests().close(); // the other may still ask
        };
    };
    run_together({vp(0), vp(1)});
    CHECK(done >= rounds); // the first to end did all; the other was refused once that one was gone
}
