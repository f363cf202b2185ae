/// HvStartVirtualProcessor (TLFS 6.0b §7.10.3).
#include "hv/abi/vp_calls.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"

using namespace hv;
using namespace hv::testing;
using abi::CallCode;

namespace {

constexpr auto self = self_partition.value;

Status start(TestGuest const& caller, std::uint64_t partition, std::uint32_t vp, std::uint64_t rip = 0x1000,
             std::uint8_t vtl = 0)
{
    abi::StartVirtualProcessorInput input{partition, vp, vtl, {1, 2, 3}, {}}; // padding is ignored
    input.context.rip = rip;
    input.context.pat = 0x0606;
    return call(caller, CallCode::StartVirtualProcessor, input);
}

} // namespace

TEST_CASE("HvStartVirtualProcessor starts a VP that waits, with the whole context (TLFS 6.0b 7.10.3)", "[start]")
{
    PartitionRegistry registry;
    TestGuest const guest{registry};
    auto& control = *guest.controls[1];
    control.waits_for_start = true;
    CHECK(start(guest, self, 1, 0xABCD) == Status::Success);
    REQUIRE(control.started);
    CHECK(control.started->rip == 0xABCD);
    CHECK(control.started->pat == 0x0606); // the context's last word
    CHECK_FALSE(guest.controls[0]->started);
    CHECK(start(guest, self, 1) == Status::InvalidVpState); // it runs
}

TEST_CASE("HvStartVirtualProcessor: every documented status (TLFS 6.0b 7.10.3)", "[start]")
{
    PartitionRegistry registry;
    TestGuest const parent{registry};
    TestGuest const child{registry, Rights::ordinary(), 1, parent.partition->id()};
    auto const child_id = child.partition->id().value;

    CHECK(start(parent, self, 0) == Status::InvalidVpState); // the caller
    CHECK(start(parent, self, self_vp.value) == Status::InvalidVpState);
    CHECK(start(parent, self, 1) == Status::InvalidVpState);
    CHECK(start(parent, self, 2) == Status::InvalidVpIndex);
    CHECK(start(parent, self, any_vp.value) == Status::InvalidVpIndex);
    CHECK(start(parent, self, 1, 0, 1) == Status::InvalidVtlState);
    CHECK(start(parent, 999, 0) == Status::InvalidPartitionId);
    CHECK(start(parent, PartitionRegistry::root_id.value, 0) == Status::AccessDenied);
    CHECK(start(child, self, 0) == Status::AccessDenied); // without the privilege
    CHECK(start(child, 999, 0) == Status::AccessDenied);

    child.controls[0]->waits_for_start = true;
    child.controls[0]->takes_values = false;
    CHECK(start(parent, child_id, 0) == Status::InvalidRegisterValue);
    CHECK_FALSE(child.controls[0]->started);
    child.controls[0]->takes_values = true;
    child.vp().requests().close();
    CHECK(start(parent, child_id, 0) == Status::InvalidPartitionState); // its machine does not run
    child.vp().requests().open();
    child.partition->set_active(false);
    CHECK(start(parent, child_id, 0) == Status::InvalidPartitionState);
    child.partition->set_active(true);
    CHECK(start(parent, child_id, 0) == Status::Success);
}
