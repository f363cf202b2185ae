/// HvCallRegisterInterceptResult, HvCallUnregisterInterceptResult, HvCallGetVpCpuidValues (newest), and MSR
/// intercepts (TLFS 2.0a §9.1.1, §16.5.2).
#include "hv/abi/intercept.hpp"
#include "hv/abi/intercept_result.hpp"
#include "hv/child/msr_results.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/family.hpp"

using namespace hv;
using namespace hv::testing;
using abi::CallCode;
using abi::CpuidResult;
using abi::CpuidValues;
using abi::MsrAction;
using abi::MsrResult;
using abi::PartitionProperty;
using abi::RegisterName;

namespace {

constexpr auto self = self_partition.value;

/// A child with one VP, whose machine has a few leaves.
struct Registering : Family {
    Registering()
    {
        REQUIRE(parent.create_vp(id, 0) == Status::Success);
        processor().leaves = {{0, 0, false, {0xD, 1, 2, 3}},    {1, 0, false, {10, 11, 12, 13}},
                              {4, 0, true, {40, 0, 0, 0}},      {4, 1, true, {41, 0, 0, 0}},
                              {0xD, 0, true, {7, 0, 0x340, 0}}, {0xD, 1, true, {0, 0, 0, 0}},
                              {0xD, 2, true, {256, 576, 0, 0}}, {0xD, 5, true, {64, 1088, 2, 0}}};
    }

    template <typename Parameters>
    [[nodiscard]] Status change(Parameters const& parameters, abi::InterceptType type, bool removes = false,
                                std::uint32_t vp = 0) const
    {
        if (removes) {
            abi::UnregisterInterceptResultInput in{id, vp, type, {}};
            std::memcpy(in.parameters.data(), &parameters, std::min(sizeof parameters, sizeof in.parameters));
            return call(parent.guest, CallCode::UnregisterInterceptResult, in);
        }
        abi::RegisterInterceptResultInput in{id, vp, type, {}};
        std::memcpy(in.parameters.data(), &parameters, sizeof parameters);
        return call(parent.guest, CallCode::RegisterInterceptResult, in);
    }
    [[nodiscard]] Status add(CpuidResult const& result) const { return change(result, abi::InterceptType::Cpuid); }
    [[nodiscard]] Status add(MsrResult const& result) const { return change(result, abi::InterceptType::Msr); }
    [[nodiscard]] CpuidValues shown(std::uint32_t function, std::uint32_t index = 0) const
    {
        return find_leaf(processor().shown, function, index);
    }
    [[nodiscard]] std::uint64_t ask(std::vector<abi::CpuidLeafInfo> const& leaves, std::uint32_t flags,
                                    std::uint32_t vp = 0) const
    {
        abi::GetVpCpuidValuesInput const header{id, vp, flags, 0, 0};
        return rep_call(parent.guest, CallCode::GetVpCpuidValues, header, leaves);
    }
    [[nodiscard]] CpuidValues answer(std::size_t n) const { return output_element<CpuidValues>(parent.guest, n); }
    [[nodiscard]] Status set_property(PartitionProperty code, std::uint64_t value) const
    {
        return call(parent.guest, CallCode::SetPartitionProperty, abi::SetPartitionPropertyInput{id, code, 0, value});
    }
};

CpuidResult leaf(std::uint32_t function, std::uint32_t eax, std::uint32_t mask = ~0U)
{
    return {{function, 0, 0, 1, 0}, eax, mask, 0, 0, 0, 0, 0, 0};
}

} // namespace

TEST_CASE("CPUID results are what the child's machine shows, bit by bit (newest)", "[children][cpuid]")
{
    Registering const family;
    CHECK(family.add(CpuidResult{{1, 0, 0, 1, 0}, 0xF0, 0xF0, 0, 0, 0xFF, 1, 5, ~0U}) == Status::Success);
    CHECK(family.shown(1) == CpuidValues{0xFA, 11, 13, 5});
    CHECK(family.shown(0) == CpuidValues{0xD, 1, 2, 3});
    CHECK(family.add(leaf(4, 9)) == Status::Success); // all subleaves
    CHECK(family.shown(4, 0).eax == 9);
    CHECK(family.shown(4, 1).eax == 9);
    auto one = leaf(4, 8);
    one.name.index = 1;
    one.name.subleaf_specific = 1;
    CHECK(family.add(one) == Status::Success);
    CHECK(family.shown(4, 0).eax == 9);
    CHECK(family.shown(4, 1).eax == 8);
    one.name.index = 7;
    CHECK(family.add(one) == Status::Success); // which there was not
    CHECK(family.shown(4, 7).eax == 8);
    CHECK(family.shown(4, 8).eax == 0);
    CHECK(family.add(leaf(0x4000'0100, 77)) == Status::Success);
    CHECK(family.shown(0x4000'0100).eax == 77);
    CHECK(family.add(leaf(0x4000'0100, 78)) == Status::Success); // in its place
    CHECK(family.shown(0x4000'0100).eax == 78);
    CHECK(family.add(CpuidResult{{1, 0, 0, 1, 0}, 0, 0, 0, 0, ~0U, ~0U, 0, 0}) == Status::Success);
    CHECK(family.shown(1).ecx == ~(1U << 5)); // no guests of its own

    CHECK(family.change(one.name, abi::InterceptType::Cpuid, true) == Status::Success);
    CHECK(family.shown(4, 7).eax == 0);
    CHECK(family.change(one.name, abi::InterceptType::Cpuid, true) == Status::InvalidParameter);
    CHECK(family.change(leaf(4, 0).name, abi::InterceptType::Cpuid, true) == Status::Success);
    CHECK(family.shown(4, 0).eax == 40);
    CHECK(family.shown(4, 1).eax == 8);
}

TEST_CASE("CPUID and MSR results: every status (newest)", "[children][cpuid]")
{
    Registering const family;
    for (std::uint32_t n = 0; n < CpuidResults::most; ++n)
        REQUIRE(family.add(leaf(0x1000 + n, n)) == Status::Success);
    CHECK(family.add(leaf(0x2000, 0)) == Status::NoResources);
    CHECK(family.add(leaf(0x1000, 5)) == Status::Success);
    for (std::uint32_t n = 0; n < MsrResults::most; ++n)
        REQUIRE(family.add(MsrResult{n, 3, MsrAction::Fault}) == Status::Success);
    CHECK(family.add(MsrResult{0x1000, 1, MsrAction::Fault}) == Status::NoResources);
    CHECK(family.add(MsrResult{0, 0, MsrAction::Fault}) == Status::InvalidParameter);
    CHECK(family.add(MsrResult{0, 4, MsrAction::Fault}) == Status::InvalidParameter);
    CHECK(family.add(MsrResult{0, 1, static_cast<MsrAction>(2)}) == Status::InvalidParameter);
    CHECK(family.change(MsrResult{0x1000, 1, MsrAction::Fault}, abi::InterceptType::Msr, true) ==
          Status::InvalidParameter);
    CHECK(family.change(MsrResult{0, 0, MsrAction::Fault}, abi::InterceptType::Msr, true) ==
          Status::InvalidParameter);
    for (auto const type : {abi::InterceptType::IoPort, abi::InterceptType::Exception})
        for (bool const removes : {false, true})
            CHECK(family.change(leaf(0, 0), type, removes) == Status::InvalidParameter);
    CHECK(family.change(leaf(0, 0), abi::InterceptType::Cpuid, false, 1) == Status::InvalidVpIndex);
    CHECK(family.change(leaf(0, 0), abi::InterceptType::Cpuid, true, 1) == Status::InvalidVpIndex);

    family.processor().takes_leaves = false; // it has run
    CHECK(family.add(leaf(0x1000, 6)) == Status::InvalidVpState);
    CHECK(family.change(leaf(0x1000, 0).name, abi::InterceptType::Cpuid, true) == Status::InvalidVpState);
    CHECK(family.shown(0x1000).eax == 5);

    abi::RegisterInterceptResultInput in{self, 0, abi::InterceptType::Cpuid, {}};
    CHECK(call(family.parent.guest, CallCode::RegisterInterceptResult, in) == Status::AccessDenied);
    in.partition = 999;
    CHECK(call(family.parent.guest, CallCode::RegisterInterceptResult, in) == Status::InvalidPartitionId);
    in.partition = family.parent.create().id;
    CHECK(call(family.parent.guest, CallCode::RegisterInterceptResult, in) == Status::InvalidPartitionState);
}

TEST_CASE("HvCallGetVpCpuidValues (newest)", "[children][cpuid]")
{
    Registering const family;
    CHECK(family.add(leaf(1, 99)) == Status::Success);
    CHECK(family.ask({{1, 0, 0, 0}, {4, 1, 0, 0}, {0x77, 0, 0, 0}}, 0) == abi::result(Status::Success, 3));
    CHECK(family.answer(0) == CpuidValues{10, 11, 12, 13});
    CHECK(family.answer(1).eax == 41);
    CHECK(family.answer(2) == CpuidValues{});
    CHECK(family.ask({{1, 5, 0, 0}}, abi::cpuid_flag::apply_registered) == abi::result(Status::Success, 1));
    CHECK(family.answer(0).eax == 99);

    // The size of XSAVE's area, for components as given or as the VP has them.
    CHECK(family.ask({{0xD, 0, 7, 0}, {0xD, 0, 3, 0}, {0xD, 1, 7, 1 << 5}, {0xD, 1, 1 << 5, 0}}, 0) ==
          abi::result(Status::Success, 4));
    CHECK(family.answer(0).ebx == 576 + 256);
    CHECK(family.answer(1).ebx == 576);
    CHECK(family.answer(2).ebx == 576 + 256 + 64);
    CHECK(family.answer(3).ebx == 576 + 64);
    family.processor().fake.registers[RegisterName::Xfem] = {7, 0};
    CHECK(family.ask({{0xD, 0, 0, 0}}, abi::cpuid_flag::use_vp_xfem_xss) == abi::result(Status::Success, 1));
    CHECK(family.answer(0).ebx == 576 + 256);

    CHECK(family.ask({{1, 0, 0, 0}}, 4) == abi::result(Status::InvalidParameter, 0));
    CHECK(family.ask({{1, 0, 0, 0}}, 0, 3) == abi::result(Status::InvalidVpIndex, 0));
}

TEST_CASE("accesses to MSRs that there are not: intercepts, results, the property (TLFS 2.0a 9.1.1; newest)",
          "[children]")
{
    Registering const family;
    auto const& supervisor = *family.processor().supervisor;
    CHECK(supervisor.msr_answer(0x123, false) == MsrAnswer::Fault);
    CHECK(family.set_property(PartitionProperty::UnimplementedMsrAction, 2) == Status::PropertyValueOutOfRange);
    CHECK(family.set_property(PartitionProperty::UnimplementedMsrAction, 1) == Status::Success);
    CHECK(supervisor.msr_answer(0x123, false) == MsrAnswer::Ignore);
    CHECK(family.add(MsrResult{0x123, 2, MsrAction::Fault}) == Status::Success);
    CHECK(supervisor.msr_answer(0x123, false) == MsrAnswer::Ignore);
    CHECK(supervisor.msr_answer(0x123, true) == MsrAnswer::Fault);
    CHECK(supervisor.msr_answer(0x124, true) == MsrAnswer::Ignore);
    CHECK(family.install(1, 1, 0) == Status::Success); // reads
    CHECK(supervisor.msr_answer(0x123, false) == MsrAnswer::Intercept);
    CHECK(supervisor.msr_answer(0x123, true) == MsrAnswer::Fault);
    CHECK(family.install(3, 1, 0) == Status::Success);
    CHECK(supervisor.msr_answer(0x123, true) == MsrAnswer::Intercept);
    CHECK(family.install(0, 1, 0) == Status::Success);
    CHECK(family.change(MsrResult{0x123, 2, MsrAction::Fault}, abi::InterceptType::Msr, true) == Status::Success);
    CHECK(supervisor.msr_answer(0x123, true) == MsrAnswer::Ignore);

    auto& processor = family.processor();
    processor.fake.registers[RegisterName::Rax] = {0x55, 0};
    processor.fake.registers[static_cast<RegisterName>(static_cast<std::uint32_t>(RegisterName::Rax) + 2)] = {0x66,
                                                                                                              0};
    processor.fake.registers[RegisterName::Rip] = {0x1234, 0};
    Intercept intercept{.kind = Intercept::Kind::MsrAccess};
    intercept.access = abi::intercept_access::write;
    intercept.instruction_length = 2;
    intercept.msr = 0x123;
    processor.supervisor->intercepted(intercept);
    auto const message = family.slot();
    CHECK(message.header.type == abi::MessageType::MsrIntercept);
    REQUIRE(message.header.payload_size == sizeof(abi::MsrMessage));
    abi::MsrMessage told{};
    std::memcpy(&told, message.payload.data(), sizeof told);
    CHECK(told.header.access == 1);
    CHECK(told.header.rip == 0x1234);
    CHECK(told.header.length_and_cr8 == 2);
    CHECK(told.msr == 0x123);
    CHECK(told.rax == 0x55);
    CHECK(told.rdx == 0x66);
}

TEST_CASE("a child whose time is frozen executes nothing (newest, partition properties)", "[children]")
{
    Registering const family;
    auto const& supervisor = *family.processor().supervisor;
    REQUIRE(family.set(family.id, 0, RegisterName::ExplicitSuspend, 0) == Status::Success);
    CHECK_FALSE(supervisor.suspended());
    CHECK(family.set_property(PartitionProperty::TimeFreeze, 1) == Status::Success);
    CHECK(supervisor.suspended());
    CHECK(family.set_property(PartitionProperty::TimeFreeze, 0) == Status::Success);
    CHECK_FALSE(supervisor.suspended());
    CHECK(family.set_property(PartitionProperty::TimeFreeze, 2) == Status::PropertyValueOutOfRange);
}

TEST_CASE("a child's features are rights of its, until it is initialized (newest, early properties)", "[children]")
{
    Registering const family;
    CHECK(family.set_property(PartitionProperty::SyntheticProcessorFeatures, 3) == Status::InvalidPartitionState);
    auto const young = family.parent.create().id;
    auto const set = [&](std::uint64_t features) {
        return call(
            family.parent.guest, CallCode::SetPartitionProperty,
            abi::SetPartitionPropertyInput{young, PartitionProperty::SyntheticProcessorFeatures, 0, features});
    };
    CHECK(set(0x3 | 1 << 3 | 1 << 4 | 1 << 8) == Status::Success);
    auto const child = family.registry.find(PartitionId{young});
    CHECK(child->rights().privileges() == (1 << 1 | 1 << 2 | 1 << 6));
    CHECK(child->rights().edx() == 0);
    CHECK(set(1 << 11 | 1 << 22 | 1 << 26) == Status::Success); // as the parent has them
    CHECK(child->rights().has(Privilege::AccessFrequencies));
    CHECK(child->rights().has(Feature::Frequencies));
    CHECK(child->rights().has(Feature::DirectTimers));
    CHECK(child->rights().recommendations() == 1 << 10);
    CHECK(set(0) == Status::Success);
    CHECK(child->rights().privileges() == 0);
}
