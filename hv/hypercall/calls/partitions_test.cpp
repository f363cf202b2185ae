/// HvGetPartitionProperty (TLFS 2.0a §5.6.5), HvCallGetPartitionPropertyEx (Linux), HvNotifyLongSpinWait (§18.5.1),
/// HvExtCallQueryCapabilities (newest).
#include "hv/abi/child.hpp"
#include "hv/abi/vp_calls.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"

using namespace hv;
using namespace hv::testing;
using abi::CallCode;
using abi::PartitionProperty;

namespace {

constexpr auto self = self_partition.value;

struct Answer {
    Status status;
    std::uint64_t value;

    friend bool operator==(Answer const&, Answer const&) = default;
};

Answer ask(TestGuest const& caller, std::uint64_t partition, PartitionProperty code, std::uint32_t padding = 0)
{
    REQUIRE(caller.memory.write(Gpa{place::input}, abi::GetPartitionPropertyInput{partition, code, padding}));
    REQUIRE(caller.memory.write(Gpa{place::output}, ~std::uint64_t{0}));
    auto const result = dispatch(
        caller.vp(), {{static_cast<std::uint64_t>(CallCode::GetPartitionProperty)}, place::input, place::output});
    std::uint64_t value{};
    REQUIRE(caller.memory.read(Gpa{place::output}, value));
    return {status_of(result), value};
}

} // namespace

TEST_CASE("HvGetPartitionProperty: what a partition may know of itself (TLFS 2.0a 5.2.2)", "[partitions]")
{
    PartitionRegistry registry;
    TestGuest guest{registry, Rights::ordinary(), 3};
    write_msr(guest, abi::msr::guest_os_id, 0x8123);
    guest.clock.advance_100ns(5000);
    auto const property = [&](PartitionProperty code) { return ask(guest, self, code); };
    auto const is = [](std::uint64_t value) { return Answer{Status::Success, value}; };

    using enum PartitionProperty;
    CHECK(property(PrivilegeFlags) == is(0x0000'0030'0000'8EEF));
    CHECK(property(GuestOsId) == is(0x8123));
    CHECK(property(ReferenceTime) == is(5000));
    CHECK(property(ProcessorsPerSocket) == is(3));
    CHECK(property(ProcessorClockFrequency) == is(1'000'000'000));
    CHECK(property(CpuReserve) == is(0)); // from here on, the defaults of 5.2.2's table
    CHECK(property(CpuCap) == is(0x10000));
    CHECK(property(CpuWeight) == is(0x64));
    for (auto const code : {EmulatedTimerPeriod, EmulatedTimerControl, PmTimerAssist, DebugChannelId,
                            VirtualTlbPageCount, Suspend, CpuGroupId, TimeFreeze})
        CHECK(property(code) == is(0));
    CHECK(ask(guest, guest.partition->id().value, PrivilegeFlags).status == Status::Success);
    CHECK(ask(guest, self, PrivilegeFlags, 0xFFFF'FFFF).status == Status::Success); // padding
}

TEST_CASE("HvGetPartitionProperty: processor properties are the configured facts (TLFS 2.0a 5.2.7 to 5.2.10)",
          "[partitions]")
{
    PartitionRegistry registry;
    TestGuest const world{registry};
    auto const partition = registry.create({.rights = Rights::ordinary(),
                                            .memory = world.memory,
                                            .clock = world.clock,
                                            .interrupts = const_cast<RecordingSink&>(world.sink),
                                            .machine = const_cast<RecordingMachine&>(world.machine),
                                            .processor = {1, 0x8123, 7, 8, 48, 0x456}});
    FakeVpControl control;
    auto& vp = partition->add_vp(control);
    auto const property = [&](PartitionProperty code) {
        REQUIRE(world.memory.write(Gpa{place::input}, abi::GetPartitionPropertyInput{self, code, 0}));
        CHECK(status_of(dispatch(
                  vp, {{static_cast<std::uint64_t>(CallCode::GetPartitionProperty)}, place::input, place::output})) ==
              Status::Success);
        return output_element<std::uint64_t>(world, 0);
    };
    using enum PartitionProperty;
    CHECK(property(ProcessorVendor) == 1);
    CHECK(property(ProcessorFeatures) == 0x123);
    CHECK(property(ProcessorFeatures0) == 0x8123);
    CHECK(property(ProcessorFeatures1) == 0x456);
    CHECK(property(ProcessorXsaveFeatures) == 7);
    CHECK(property(ProcessorCacheLineFlushSize) == 8);
    CHECK(property(PhysicalAddressWidth) == 48);
    CHECK(property(ImplementedPhysicalAddressBits) == 48);
}

TEST_CASE("HvGetPartitionProperty: every documented status (TLFS 2.0a 5.6.5)", "[partitions]")
{
    PartitionRegistry registry;
    TestGuest const parent{registry};
    TestGuest const child{registry, Rights::ordinary(), 1, parent.partition->id()};
    auto const parent_id = parent.partition->id().value;
    auto const child_id = child.partition->id().value;
    constexpr auto flags = PartitionProperty::PrivilegeFlags;
    auto const refused = [](Status status) { return Answer{status, ~std::uint64_t{0}}; };

    CHECK(ask(parent, child_id, flags) == Answer{Status::Success, child.partition->rights().privileges()});
    CHECK(ask(parent, 999, flags) == refused(Status::InvalidPartitionId));
    CHECK(ask(parent, PartitionRegistry::root_id.value, flags) == refused(Status::AccessDenied));
    CHECK(ask(child, parent_id, flags) == refused(Status::AccessDenied)); // no CreatePartitions, and no parent
    CHECK(ask(child, 999, flags) == refused(Status::AccessDenied));       // who may not act, learns nothing
    for (auto const unknown : {0U, 0x1'0001U, 0x2'0005U, 0x5'0001U, 0x6'000CU, 0x9'0007U, 0x1000'1000U, ~0U})
        CHECK(ask(parent, self, PartitionProperty{unknown}) == refused(Status::UnknownProperty));
    child.partition->set_active(false);
    CHECK(ask(parent, child_id, flags) == refused(Status::InvalidPartitionState));
}

TEST_CASE("HvCallGetPartitionPropertyEx: what a parent may do, and every status (Linux, include/hyperv/hvhdk.h)",
          "[partitions]")
{
    constexpr auto capabilities = PartitionProperty::VmmCapabilities;
    PartitionRegistry registry;
    TestGuest const parent{registry};
    TestGuest const child{registry, Rights::ordinary(), 1, parent.partition->id()};
    auto const child_id = child.partition->id().value;
    auto const of = [](TestGuest const& caller, std::uint64_t partition, PartitionProperty code,
                       std::uint64_t argument = 0) {
        REQUIRE(caller.memory.write(Gpa{place::input},
                                    abi::GetPartitionPropertyExInput{partition, code, 0xFFFF'FFFF, argument}));
        REQUIRE(caller.memory.write(Gpa{place::output}, std::array{~std::uint64_t{0}, ~std::uint64_t{0}}));
        auto const control = static_cast<std::uint64_t>(CallCode::GetPartitionPropertyEx);
        auto const status = status_of(dispatch(caller.vp(), {{control}, place::input, place::output}));
        std::array<std::uint64_t, 2> out{};
        REQUIRE(caller.memory.read(Gpa{place::output}, out));
        return std::pair{status, out};
    };
    auto const gives = [](std::uint64_t bank) {
        return std::pair{Status::Success, std::array{std::uint64_t{1}, bank}};
    };
    CHECK(of(parent, self, capabilities) == gives(2)); // parents say where state pages are; no scheduler of their own
    CHECK(of(parent, child_id, capabilities) == gives(0));
    CHECK(of(child, self, capabilities) == gives(0)); // everybody may ask about itself
    CHECK(of(parent, self, capabilities, 1).first == Status::InvalidParameter);
    for (auto const unknown : {PartitionProperty::PrivilegeFlags, PartitionProperty{0}, PartitionProperty{0x9'0008}})
        CHECK(of(parent, self, unknown).first == Status::UnknownProperty);
    CHECK(ask(parent, self, capabilities).status == Status::UnknownProperty); // too large for the other call
    CHECK(of(parent, 999, capabilities).first == Status::InvalidPartitionId);
    CHECK(of(parent, PartitionRegistry::root_id.value, capabilities).first == Status::AccessDenied);
    CHECK(of(child, 999, capabilities).first == Status::AccessDenied);
    child.partition->set_active(false);
    CHECK(of(parent, child_id, capabilities).first == Status::InvalidPartitionState);
}

TEST_CASE("HvNotifyLongSpinWait always succeeds, slow and fast, and gives way to others (TLFS 2.0a 18.5.1)",
          "[partitions]")
{
    PartitionRegistry registry;
    TestGuest const guest{registry, Rights{}};
    CHECK(call(guest, CallCode::NotifyLongSpinWait, abi::NotifyLongSpinWaitInput{4095, 0}) == Status::Success);
    CHECK(fast_call(guest, CallCode::NotifyLongSpinWait, ~std::uint64_t{0}, ~std::uint64_t{0}) == Status::Success);
    CHECK(guest.controls[0]->yields == 2);
    CHECK(guest.controls[1]->yields == 0);
}

TEST_CASE("HvExtCallQueryCapabilities: none, for who may ask (newest)", "[partitions]")
{
    auto const query = [](Rights rights) {
        PartitionRegistry registry;
        TestGuest const guest{registry, rights};
        REQUIRE(guest.memory.write(Gpa{place::output}, ~std::uint64_t{0}));
        auto const result =
            dispatch(guest.vp(), {{static_cast<std::uint64_t>(CallCode::ExtQueryCapabilities)}, 3, place::output});
        return Answer{status_of(result), output_element<std::uint64_t>(guest, 0)};
    };
    auto rights = Rights::ordinary();
    CHECK(query(rights) == Answer{Status::AccessDenied, ~std::uint64_t{0}});
    rights.set(Privilege::EnableExtendedHypercalls, true);
    CHECK(query(rights) == Answer{Status::Success, 0});
}
