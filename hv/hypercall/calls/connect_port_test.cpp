/// HvConnectPort and HvDisconnectPort (TLFS 2.0a §14.9.3, §14.9.6), in both numberings.
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"

using namespace hv;
using namespace hv::testing;
using abi::CallCode;
using abi::PortType;

namespace {

constexpr auto self = self_partition.value;

struct Connector {
    bool vtl;

    Status operator()(TestGuest const& caller, std::uint64_t sender, std::uint32_t connection, std::uint64_t receiver,
                      std::uint32_t port, PortType type = PortType::Message) const
    {
        if (vtl)
            return call(caller, CallCode::ConnectPortVtl,
                        abi::ConnectPortVtlInput{sender, connection, 0, 0, 0, receiver, port, 0, type, 0, {}, 0});
        return call(caller, CallCode::ConnectPort,
                    abi::ConnectPortInput{sender, connection, 0, receiver, port, 0, type, 0});
    }
};

Rights without(Privilege privilege)
{
    auto rights = Rights::root();
    rights.set(privilege, false);
    return rights;
}

} // namespace

TEST_CASE("HvConnectPort: a partition connects itself, under either name (TLFS 2.0a 14.9.3)", "[connections]")
{
    Fabric const fabric;
    Connector const connect{GENERATE(false, true)};
    REQUIRE(fabric.create(1, message_port(1)) == Status::Success);
    REQUIRE(fabric.create(2, event_port(1, 0, 8)) == Status::Success);

    CHECK(connect(fabric.sender, self, 0xFF'FFFF, fabric.receiver_id(), 1) == Status::Success);
    CHECK(connect(fabric.sender, fabric.sender_id(), 0, fabric.receiver_id(), 2, PortType::Event) == Status::Success);
}

TEST_CASE("HvConnectPort: access (TLFS 2.0a 14.9.3)", "[connections]")
{
    PartitionRegistry registry;
    TestGuest const parent{registry};
    TestGuest const child{registry, Rights::ordinary(), 1, parent.partition->id()};
    TestGuest const powerless{registry, without(Privilege::ConnectPort)};
    Connector const connect{GENERATE(false, true)};
    auto const parent_id = parent.partition->id().value;
    auto const child_id = child.partition->id().value;
    for (std::uint32_t id = 1; id <= 2; ++id)
        REQUIRE(call(parent, CallCode::CreatePort, abi::CreatePortInput{self, id, 0, child_id, message_port(1)}) ==
                Status::Success);

    CHECK(connect(child, self, 1, parent_id, 1) == Status::AccessDenied);
    CHECK(connect(child, self, 1, 999, 99) == Status::AccessDenied);
    CHECK(connect(powerless, self, 1, parent_id, 1) == Status::AccessDenied);
    CHECK(connect(powerless, child_id, 1, parent_id, 1) == Status::AccessDenied);
    CHECK(connect(powerless, 999, 1, parent_id, 1) == Status::AccessDenied);
    CHECK(connect(parent, powerless.partition->id().value, 1, self, 1) == Status::AccessDenied);
    CHECK(connect(parent, child_id, 1, self, 1) == Status::Success); // the parent for its child
    CHECK(connect(parent, child_id, 2, parent_id, 2) == Status::Success);
}

TEST_CASE("HvConnectPort: INVALID_PARTITION_ID (TLFS 2.0a 14.9.3)", "[connections]")
{
    Fabric const fabric;
    Connector const connect{GENERATE(false, true)};
    REQUIRE(fabric.create(1, message_port(1)) == Status::Success);

    CHECK(connect(fabric.sender, 999, 1, fabric.receiver_id(), 1) == Status::InvalidPartitionId);
    CHECK(connect(fabric.sender, 0, 1, fabric.receiver_id(), 1) == Status::InvalidPartitionId);
    CHECK(connect(fabric.sender, self, 1, 999, 1) == Status::InvalidPartitionId);
    CHECK(connect(fabric.sender, self, 1, 0, 1) == Status::InvalidPartitionId);
}

TEST_CASE("HvConnectPort: to a stranger, a port for another partition is one that is not there (TLFS 2.0a 14.9.3)",
          "[connections]")
{
    Fabric fabric;
    TestGuest const other{fabric.registry};
    Connector const connect{GENERATE(false, true)};
    auto const probe = [&] { return connect(other, self, 1, fabric.receiver_id(), 1, PortType::Event); };
    CHECK(probe() == Status::InvalidPortId);
    REQUIRE(fabric.create(1, message_port(1)) == Status::Success);
    CHECK(probe() == Status::InvalidPortId);
    CHECK(connect(fabric.receiver, self, 1, self, 1) == Status::InvalidPortId); // nor to its own partition
    REQUIRE(fabric.connect(1, 1, PortType::Message) == Status::Success);
    CHECK(probe() == Status::InvalidPortId); // nor whether it is connected
    fabric.receiver.partition->set_active(false);
    CHECK(probe() == Status::InvalidPortId);
    REQUIRE(communication::delete_port(*fabric.receiver.partition, PortId{1}) == Status::Success);
    CHECK(probe() == Status::InvalidPortId);
}

TEST_CASE("HvConnectPort: INVALID_CONNECTION_ID (TLFS 2.0a 14.9.3)", "[connections]")
{
    Fabric const fabric;
    Connector const connect{GENERATE(false, true)};
    REQUIRE(fabric.create(1, message_port(1)) == Status::Success);
    REQUIRE(fabric.create(2, message_port(1)) == Status::Success);

    for (unsigned bit = 24; bit < 32; ++bit)
        CHECK(connect(fabric.sender, self, 1U << bit, fabric.receiver_id(), 1) == Status::InvalidConnectionId);
    REQUIRE(connect(fabric.sender, self, 1, fabric.receiver_id(), 1) == Status::Success);
    CHECK(connect(fabric.sender, self, 1, fabric.receiver_id(), 2) == Status::InvalidConnectionId);
}

TEST_CASE("HvConnectPort: INVALID_PORT_ID (TLFS 2.0a 14.9.3)", "[connections]")
{
    Fabric const fabric;
    Connector const connect{GENERATE(false, true)};
    REQUIRE(fabric.create(1, message_port(1)) == Status::Success);

    CHECK(connect(fabric.sender, self, 1, fabric.receiver_id(), 2) == Status::InvalidPortId);
    CHECK(connect(fabric.sender, self, 1, fabric.receiver_id(), 0xAB'CDEF) == Status::InvalidPortId);
    for (unsigned bit = 24; bit < 32; ++bit)
        CHECK(connect(fabric.sender, self, 1, fabric.receiver_id(), 1 | 1U << bit) == Status::InvalidPortId);

    REQUIRE(connect(fabric.sender, self, 1, fabric.receiver_id(), 1) == Status::Success);
    CHECK(connect(fabric.sender, self, 2, fabric.receiver_id(), 1) == Status::InvalidPortId); // already connected
    REQUIRE(fabric.disconnect(1) == Status::Success);
    CHECK(connect(fabric.sender, self, 2, fabric.receiver_id(), 1) == Status::Success);
}

TEST_CASE("HvConnectPort: INVALID_PARAMETER for another type than the port's (TLFS 2.0a 14.9.3)", "[connections]")
{
    Fabric const fabric;
    Connector const connect{GENERATE(false, true)};
    REQUIRE(fabric.create(1, message_port(1)) == Status::Success);
    REQUIRE(fabric.create(2, event_port(1, 0, 8)) == Status::Success);

    CHECK(connect(fabric.sender, self, 1, fabric.receiver_id(), 1, PortType::Event) == Status::InvalidParameter);
    CHECK(connect(fabric.sender, self, 1, fabric.receiver_id(), 2, PortType::Message) == Status::InvalidParameter);
    for (std::uint32_t const type : {3U, 4U, 5U, 0xFFFF'FFFFU})
        CHECK(connect(fabric.sender, self, 1, fabric.receiver_id(), 1, PortType{type}) == Status::InvalidParameter);
    CHECK(connect(fabric.sender, self, 1, fabric.receiver_id(), 1) == Status::Success); // none of them took the ID
}

TEST_CASE("HvConnectPort: reserved fields (TLFS 2.0a 14.8.9; 0x0096)", "[connections]")
{
    Fabric const fabric;
    REQUIRE(fabric.create(1, message_port(1)) == Status::Success);
    auto const peer = fabric.receiver_id();

    SECTION("2.0a layout")
    {
        abi::ConnectPortInput input{self, 1, 0, peer, 1, 0, PortType::Message, 0};
        input.padding2 = 1;
        CHECK(call(fabric.sender, CallCode::ConnectPort, input) == Status::InvalidParameter);
        input.padding2 = 0;
        input.padding0 = input.padding1 = 0xFFFF'FFFF; // padding proper is ignored (4.1)
        CHECK(call(fabric.sender, CallCode::ConnectPort, input) == Status::Success);
    }
    SECTION("2.0a layout without the type, as the table of 14.9.3 has it")
    {
        abi::ConnectPortInput const input{self, 1, 0, peer, 1, 0, PortType{}, 0};
        CHECK(call(fabric.sender, CallCode::ConnectPort, input) == Status::Success);
    }
    SECTION("the later layout")
    {
        abi::ConnectPortVtlInput const good{self, 1, 0, 0, 0, peer, 1, 0, PortType::Message, 0, {}, 0};
        auto const connect = [&](auto change) {
            auto input = good;
            change(input);
            return call(fabric.sender, CallCode::ConnectPortVtl, input);
        };
        CHECK(connect([](auto& in) { in.connection_vtl = 1; }) == Status::InvalidParameter);
        CHECK(connect([](auto& in) { in.reserved0 = 1; }) == Status::InvalidParameter);
        CHECK(connect([](auto& in) { in.reserved1 = 0x8000; }) == Status::InvalidParameter);
        CHECK(connect([](auto& in) { in.reserved2 = 1; }) == Status::InvalidParameter);
        CHECK(connect([](auto& in) { in.padding = 1; }) == Status::InvalidParameter);
        for (std::size_t i = 0; i < 3; ++i)
            CHECK(connect([i](auto& in) { in.info[i] = std::uint64_t{1} << 63; }) == Status::InvalidParameter);
        CHECK(connect([](auto& in) { in.proximity = std::uint64_t{1} << 40; }) == Status::InvalidProximityDomainInfo);
        CHECK(connect([](auto&) {}) == Status::Success);
    }
}

TEST_CASE("HvConnectPort: INVALID_PARTITION_STATE of either side (TLFS 2.0a 14.9.3)", "[connections]")
{
    Fabric const fabric;
    Connector const connect{GENERATE(false, true)};
    REQUIRE(fabric.create(1, message_port(1)) == Status::Success);

    fabric.receiver.partition->set_active(false);
    CHECK(connect(fabric.sender, self, 1, fabric.receiver_id(), 1) == Status::InvalidPartitionState);
    fabric.receiver.partition->set_active(true);
    fabric.sender.partition->set_active(false);
    CHECK(connect(fabric.sender, self, 1, fabric.receiver_id(), 1) == Status::InvalidPartitionState);
    fabric.sender.partition->set_active(true);
    CHECK(connect(fabric.sender, self, 1, fabric.receiver_id(), 1) == Status::Success);
}

TEST_CASE(
    "HvConnectPort: INSUFFICIENT_MEMORY is the sender's pool's, and what is refused costs nothing (TLFS 14.9.3)",
    "[connections]")
{
    PartitionRegistry registry;
    TestGuest const receiver{registry};
    TestGuest const sender{registry, Rights::root(), 1, PartitionRegistry::root_id,
                           2 * 2048 + 2 * communication::connection_charge};
    Connector const connect{GENERATE(false, true)};
    auto const receiver_id = receiver.partition->id().value;
    for (std::uint32_t id = 0; id < 4; ++id)
        REQUIRE(call(receiver, CallCode::CreatePort,
                     abi::CreatePortInput{self, id, 0, sender.partition->id().value, message_port(1)}) ==
                Status::Success);

    REQUIRE(connect(sender, self, 0, receiver_id, 0) == Status::Success);
    REQUIRE(connect(sender, self, 1, receiver_id, 1) == Status::Success);
    CHECK(sender.partition->pool().free_bytes() == 0);
    CHECK(connect(sender, self, 2, receiver_id, 2) == Status::InsufficientMemory);
    CHECK(connect(sender, self, 0x10000, receiver_id, 2) == Status::InsufficientMemory); // no room for a table node

    // The refused connect has left the port free.
    REQUIRE(call(sender, CallCode::DisconnectPort, abi::DisconnectPortInput{self, 0, 0}) == Status::Success);
    CHECK(sender.partition->pool().free_bytes() == communication::connection_charge);
    CHECK(connect(sender, self, 2, receiver_id, 2) == Status::Success);
}

TEST_CASE("HvDisconnectPort (TLFS 2.0a 14.9.6)", "[connections]")
{
    PartitionRegistry registry;
    TestGuest const parent{registry};
    TestGuest const child{registry, Rights::ordinary(), 1, parent.partition->id()};
    TestGuest const stranger{registry};
    auto const child_id = child.partition->id().value;
    auto const disconnect = [](TestGuest const& caller, std::uint64_t sender, std::uint32_t connection) {
        return call(caller, CallCode::DisconnectPort, abi::DisconnectPortInput{sender, connection, 0xFFFF'FFFF});
    };
    for (std::uint32_t id = 1; id <= 2; ++id) {
        REQUIRE(call(parent, CallCode::CreatePort, abi::CreatePortInput{self, id, 0, child_id, message_port(1)}) ==
                Status::Success);
        REQUIRE(call(parent, CallCode::ConnectPort,
                     abi::ConnectPortInput{child_id, id, 0, self, id, 0, PortType::Message, 0}) == Status::Success);
    }

    CHECK(disconnect(child, self, 1) == Status::AccessDenied); // without the privilege
    CHECK(disconnect(stranger, child_id, 1) == Status::AccessDenied);
    CHECK(disconnect(stranger, child_id, 99) == Status::AccessDenied);
    CHECK(disconnect(parent, 999, 1) == Status::InvalidPartitionId);
    CHECK(disconnect(parent, child_id, 3) == Status::InvalidConnectionId);
    CHECK(disconnect(parent, self, 1) == Status::InvalidConnectionId); // connections are the sender's
    for (unsigned bit = 24; bit < 32; ++bit)
        CHECK(disconnect(parent, child_id, 1 | 1U << bit) == Status::InvalidConnectionId);

    child.partition->set_active(false);
    CHECK(disconnect(parent, child_id, 1) == Status::InvalidPartitionState);
    child.partition->set_active(true);
    CHECK(disconnect(parent, child_id, 1) == Status::Success);
    CHECK(disconnect(parent, child_id, 1) == Status::InvalidConnectionId);
    CHECK(fast_call(parent, CallCode::DisconnectPort, child_id, 2) == Status::Success);
}

TEST_CASE("disconnecting keeps what has been posted (TLFS 2.0a 14.2.3, 14.9.6)", "[connections]")
{
    Fabric const fabric;
    start_synic(fabric.receiver);
    REQUIRE(fabric.create(1, message_port(3)) == Status::Success);
    REQUIRE(fabric.connect(1, 1, PortType::Message) == Status::Success);
    for (std::uint64_t word = 0; word < 5; ++word)
        REQUIRE(fabric.post(1, word) == Status::Success);

    REQUIRE(fabric.disconnect(1) == Status::Success);
    CHECK(fabric.post(1, 5) == Status::InvalidConnectionId);
    GuestSlot const slot{fabric.receiver, Sint{3}};
    for (std::uint64_t word = 0; word < 5; ++word) {
        auto const message = slot.take();
        REQUIRE(message);
        CHECK(message->payload[0] == word);
    }
    CHECK_FALSE(slot.take());
}

TEST_CASE("the sender's pool is whole again after connections have come and gone (TLFS 2.0a 14.4)", "[connections]")
{
    Fabric const fabric;
    auto const& pool = fabric.sender.partition->pool();
    REQUIRE(fabric.create(1, message_port(1)) == Status::Success);
    REQUIRE(fabric.connect(1, 1, PortType::Message) == Status::Success);
    REQUIRE(fabric.disconnect(1) == Status::Success);
    auto const settled = pool.free_bytes();

    for (unsigned round = 0; round < 50; ++round) {
        REQUIRE(fabric.connect(1, 1, PortType::Message) == Status::Success);
        CHECK(pool.free_bytes() == settled - communication::connection_charge);
        CHECK(fabric.connect(1, 1, PortType::Message) == Status::InvalidConnectionId);
        CHECK(fabric.connect(2, 1, PortType::Message) == Status::InvalidPortId);
        CHECK(fabric.connect(2, 9, PortType::Message) == Status::InvalidPortId);
        REQUIRE(fabric.disconnect(1) == Status::Success);
        CHECK(pool.free_bytes() == settled);
    }
}
