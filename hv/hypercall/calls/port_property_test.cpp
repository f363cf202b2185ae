/// HvGetPortProperty and HvSetPortProperty (TLFS 2.0a §14.8.7, §14.9.4, §14.9.5).
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"

using namespace hv;
using namespace hv::testing;
using abi::CallCode;
using abi::PortProperty;

namespace {

constexpr auto self = self_partition.value;
constexpr auto any = any_vp.value;
constexpr std::uint32_t port = 7;

struct Answer {
    Status status;
    std::uint64_t value;
};

template <typename Input>
Answer call_with_output(TestGuest const& guest, CallCode code, Input const& input)
{
    constexpr std::uint64_t untouched = 0xDDDD'DDDD'DDDD'DDDD;
    (void)guest.memory.write(Gpa{place::input}, input);
    (void)guest.memory.write(Gpa{place::output}, untouched);
    auto const result = dispatch(guest.vp(), {{static_cast<std::uint64_t>(code)}, place::input, place::output});
    Answer answer{status_of(result), 0};
    (void)guest.memory.read(Gpa{place::output}, answer.value);
    if (answer.status != Status::Success) CHECK(answer.value == untouched);
    return answer;
}

Answer get(TestGuest const& guest, PortProperty code, std::uint64_t partition = self, std::uint32_t id = port)
{
    return call_with_output(guest, CallCode::GetPortProperty,
                            abi::GetPortPropertyInput{partition, id, 0x5555, code, 0x5555}); // padding is ignored
}

Answer set(TestGuest const& guest, PortProperty code, std::uint64_t value, std::uint64_t partition = self,
           std::uint32_t id = port)
{
    return call_with_output(guest, CallCode::SetPortProperty,
                            abi::SetPortPropertyInput{partition, id, 0, code, 0, value});
}

/// What both calls answer when asked for the preferred VP of a port.
void refuses(TestGuest const& guest, std::uint64_t partition, std::uint32_t id, Status expected)
{
    CHECK(get(guest, PortProperty::PreferredTargetVp, partition, id).status == expected);
    CHECK(set(guest, PortProperty::PreferredTargetVp, 0, partition, id).status == expected);
}

} // namespace

TEST_CASE("HvGetPortProperty: the post count is of accepted messages, since the port's creation (TLFS 2.0a 14.8.7)",
          "[properties]")
{
    Fabric const fabric;
    start_synic(fabric.receiver);
    REQUIRE(fabric.create(port, message_port(2)) == Status::Success);
    REQUIRE(fabric.connect(1, port, abi::PortType::Message) == Status::Success);
    CHECK(get(fabric.receiver, PortProperty::PostCount).value == 0);
    for (std::uint64_t n = 1; n <= 17; ++n) { // one in the slot, sixteen queued
        REQUIRE(fabric.post(1, n) == Status::Success);
        CHECK(get(fabric.receiver, PortProperty::PostCount).value == n);
    }
    REQUIRE(fabric.post(1, 18) == Status::InsufficientBuffers);
    CHECK(get(fabric.receiver, PortProperty::PostCount).value == 17);

    REQUIRE(fabric.remove(port) == Status::Success);
    REQUIRE(fabric.create(port, message_port(2)) == Status::Success);
    CHECK(get(fabric.receiver, PortProperty::PostCount).value == 0);
}

TEST_CASE("the post count of an event port stays zero, and no port's can be set (TLFS 2.0a 14.8.7)", "[properties]")
{
    Fabric const fabric;
    start_synic(fabric.receiver);
    REQUIRE(fabric.create(port, event_port(2, 0, 8)) == Status::Success);
    REQUIRE(fabric.connect(1, port, abi::PortType::Event) == Status::Success);
    REQUIRE(fabric.signal(1, 3) == Status::Success);
    auto const count = get(fabric.receiver, PortProperty::PostCount);
    CHECK(count.status == Status::Success);
    CHECK(count.value == 0);
    CHECK(set(fabric.receiver, PortProperty::PostCount, 0).status == Status::OperationDenied);
}

TEST_CASE("the preferred VP is none at first, and is what was set (TLFS 2.0a 14.8.7, 14.9.5)", "[properties]")
{
    Fabric const fabric;
    REQUIRE(fabric.create(port, message_port(2, any)) == Status::Success);
    CHECK(get(fabric.receiver, PortProperty::PreferredTargetVp).value == any);
    for (std::uint64_t const vp : {std::uint64_t{1}, std::uint64_t{0}, std::uint64_t{any}}) {
        auto const answer = set(fabric.receiver, PortProperty::PreferredTargetVp, vp);
        CHECK(answer.status == Status::Success);
        CHECK(answer.value == vp); // returns the property value
        CHECK(get(fabric.receiver, PortProperty::PreferredTargetVp).value == vp);
    }
    for (std::uint64_t const vp : {std::uint64_t{2}, std::uint64_t{self_vp.value}, std::uint64_t{1} << 32,
                                   ~std::uint64_t{0}, any | std::uint64_t{1} << 32})
        CHECK(set(fabric.receiver, PortProperty::PreferredTargetVp, vp).status == Status::PropertyValueOutOfRange);
    CHECK(get(fabric.receiver, PortProperty::PreferredTargetVp).value == any);
}

TEST_CASE("a successor in the port's place has no preference (TLFS 2.0a 14.9.2)", "[properties]")
{
    Fabric const fabric;
    REQUIRE(fabric.create(port, message_port(2, any)) == Status::Success);
    REQUIRE(set(fabric.receiver, PortProperty::PreferredTargetVp, 1).status == Status::Success);
    REQUIRE(fabric.remove(port) == Status::Success);
    REQUIRE(fabric.create(port, message_port(2, any)) == Status::Success);
    CHECK(get(fabric.receiver, PortProperty::PreferredTargetVp).value == any);
}

TEST_CASE("a port for one VP shows that VP as preferred, and takes no other (TLFS 2.0a 14.8.7)", "[properties]")
{
    Fabric const fabric;
    REQUIRE(fabric.create(port, event_port(2, 0, 8, 1)) == Status::Success);
    CHECK(get(fabric.receiver, PortProperty::PreferredTargetVp).value == 1);
    CHECK(set(fabric.receiver, PortProperty::PreferredTargetVp, 0).status == Status::OperationDenied);
    CHECK(get(fabric.receiver, PortProperty::PreferredTargetVp).value == 1);
}

TEST_CASE("port properties: UNKNOWN_PROPERTY (TLFS 2.0a 14.9.4, 14.9.5)", "[properties]")
{
    Fabric const fabric;
    REQUIRE(fabric.create(port, message_port(2, any)) == Status::Success);
    for (std::uint32_t const code : {2U, 3U, 9U, 0x8000'0000U, ~0U}) {
        CHECK(get(fabric.receiver, PortProperty{code}).status == Status::UnknownProperty);
        CHECK(set(fabric.receiver, PortProperty{code}, 0).status == Status::UnknownProperty);
    }
}

TEST_CASE("port properties: INVALID_PORT_ID (TLFS 2.0a 14.9.4, 14.9.5)", "[properties]")
{
    Fabric const fabric;
    refuses(fabric.receiver, self, port, Status::InvalidPortId);
    REQUIRE(fabric.create(port, message_port(2, any)) == Status::Success);
    refuses(fabric.receiver, self, port + 1, Status::InvalidPortId);
    for (unsigned bit = 24; bit < 32; ++bit)
        refuses(fabric.receiver, self, port | 1U << bit, Status::InvalidPortId);
    REQUIRE(fabric.remove(port) == Status::Success);
    refuses(fabric.receiver, self, port, Status::InvalidPortId);
}

TEST_CASE("port properties: access and INVALID_PARTITION_ID (TLFS 2.0a 14.9.4, 14.9.5)", "[properties]")
{
    PartitionRegistry registry;
    auto rights = Rights::root();
    rights.set(Privilege::CreatePort, false);
    TestGuest const parent{registry};
    TestGuest const child{registry, rights, 1, parent.partition->id()};
    TestGuest const stranger{registry};
    auto const parent_id = parent.partition->id().value;
    auto const child_id = child.partition->id().value;
    REQUIRE(call(parent, CallCode::CreatePort, abi::CreatePortInput{child_id, port, 0, self, message_port(2, any)}) ==
            Status::Success);

    CHECK(get(parent, PortProperty::PreferredTargetVp, child_id).value == any);
    CHECK(set(parent, PortProperty::PreferredTargetVp, 0, child_id).status == Status::Success);
    CHECK(get(parent, PortProperty::PreferredTargetVp, child_id).value == 0);

    refuses(child, self, port, Status::AccessDenied);
    refuses(child, 999, port | 1U << 31, Status::AccessDenied);
    refuses(stranger, child_id, port, Status::AccessDenied);
    refuses(stranger, parent_id, port, Status::AccessDenied);
    refuses(parent, 999, port, Status::InvalidPartitionId);
    refuses(parent, 0, port, Status::InvalidPartitionId);
}

TEST_CASE("port properties: INVALID_PARTITION_STATE (TLFS 2.0a 14.9.4, 14.9.5, restrictions)", "[properties]")
{
    PartitionRegistry registry;
    TestGuest const parent{registry};
    TestGuest const child{registry, Rights::ordinary(), 1, parent.partition->id()};
    child.partition->set_active(false);
    refuses(parent, child.partition->id().value, port, Status::InvalidPartitionState);
}

TEST_CASE("port properties have output, so they cannot be fast (TLFS 2.0a 14.9.4, 14.9.5)", "[properties]")
{
    Fabric const fabric;
    REQUIRE(fabric.create(port, message_port(2, any)) == Status::Success);
    CHECK(fast_call(fabric.receiver, CallCode::GetPortProperty, self, port) == Status::InvalidHypercallInput);
    CHECK(fast_call(fabric.receiver, CallCode::SetPortProperty, self, port) == Status::InvalidHypercallInput);
}
