/// HvDeletePort (TLFS 2.0a §14.9.2, §14.2.3): who may, what it answers, and what becomes of messages.
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"

using namespace hv;
using namespace hv::testing;
using abi::CallCode;

namespace {

constexpr auto self = self_partition.value;
constexpr Sint sint{2};

Status remove(TestGuest const& caller, std::uint64_t owner, std::uint32_t port)
{
    return call(caller, CallCode::DeletePort, abi::DeletePortInput{owner, port, 0});
}

} // namespace

TEST_CASE("HvDeletePort: its own port, by either way of naming itself, slow or fast (TLFS 2.0a 14.9.2)", "[ports]")
{
    Fabric const fabric;
    for (std::uint32_t id = 1; id <= 3; ++id)
        REQUIRE(fabric.create(id, message_port(1)) == Status::Success);

    CHECK(remove(fabric.receiver, self, 1) == Status::Success);
    CHECK(remove(fabric.receiver, fabric.receiver_id(), 2) == Status::Success);
    CHECK(fast_call(fabric.receiver, CallCode::DeletePort, self, 3) == Status::Success);
    for (std::uint32_t id = 1; id <= 3; ++id)
        CHECK(remove(fabric.receiver, self, id) == Status::InvalidPortId);
}

TEST_CASE("HvDeletePort: INVALID_PORT_ID (TLFS 2.0a 14.9.2)", "[ports]")
{
    Fabric const fabric;
    REQUIRE(fabric.create(7, message_port(1)) == Status::Success);

    CHECK(remove(fabric.receiver, self, 8) == Status::InvalidPortId);         // never made, same table node
    CHECK(remove(fabric.receiver, self, 0x12'3456) == Status::InvalidPortId); // no table node at all
    for (unsigned bit = 24; bit < 32; ++bit)
        CHECK(remove(fabric.receiver, self, 7 | 1U << bit) == Status::InvalidPortId);
    CHECK(remove(fabric.receiver, self, 7) == Status::Success);
    CHECK(remove(fabric.receiver, self, 7) == Status::InvalidPortId); // twice
}

TEST_CASE("HvDeletePort: ACCESS_DENIED and INVALID_PARTITION_ID (TLFS 2.0a 14.9.2)", "[ports]")
{
    PartitionRegistry registry;
    TestGuest const parent{registry};
    TestGuest const child{registry, Rights::ordinary(), 1, parent.partition->id()};
    TestGuest const stranger{registry};
    auto const child_id = child.partition->id().value;
    REQUIRE(call(parent, CallCode::CreatePort, abi::CreatePortInput{child_id, 1, 0, self, message_port(1)}) ==
            Status::Success);

    CHECK(remove(stranger, child_id, 1) == Status::AccessDenied);
    CHECK(remove(stranger, child_id, 99) == Status::AccessDenied); // a stranger does not learn which ports exist
    CHECK(remove(child, self, 1) == Status::AccessDenied);         // its own, but without the privilege
    CHECK(remove(child, self, 99) == Status::AccessDenied);
    CHECK(remove(child, 999, 1) == Status::AccessDenied);
    CHECK(remove(parent, 999, 1) == Status::InvalidPartitionId);
    CHECK(remove(parent, 0, 1) == Status::InvalidPartitionId);
    CHECK(remove(parent, child_id, 1) == Status::Success); // the parent acting for its child
}

TEST_CASE("HvDeletePort: INVALID_PARTITION_STATE (TLFS 2.0a 14.9.2)", "[ports]")
{
    Fabric const fabric;
    REQUIRE(fabric.create(1, message_port(1)) == Status::Success);
    fabric.receiver.partition->set_active(false);
    CHECK(remove(fabric.receiver, self, 1) == Status::InvalidPartitionState);
    fabric.receiver.partition->set_active(true);
    CHECK(remove(fabric.receiver, self, 1) == Status::Success);
}

TEST_CASE("HvDeletePort ignores its padding (TLFS 2.0a 4.1)", "[ports]")
{
    Fabric const fabric;
    REQUIRE(fabric.create(1, message_port(1)) == Status::Success);
    CHECK(call(fabric.receiver, CallCode::DeletePort, abi::DeletePortInput{self, 1, 0xFFFF'FFFF}) == Status::Success);
}

TEST_CASE("deleting a port loses its queued messages, not the one in the slot (TLFS 2.0a 14.9.2)", "[ports]")
{
    Fabric const fabric;
    start_synic(fabric.receiver);
    REQUIRE(fabric.create(5, message_port(sint.value)) == Status::Success);
    REQUIRE(fabric.connect(9, 5, abi::PortType::Message) == Status::Success);
    for (std::uint64_t word = 100; word < 104; ++word)
        REQUIRE(fabric.post(9, word) == Status::Success);
    GuestSlot const slot{fabric.receiver, sint};

    REQUIRE(fabric.remove(5) == Status::Success);
    REQUIRE(slot.type() != 0);
    CHECK(slot.word() == 100);
    slot.empty();
    slot.end_of_message();
    CHECK(slot.type() == 0);
    fabric.receiver.vp().synic().scan_queues(); // nor does the retry timer bring one back
    CHECK(slot.type() == 0);
}

TEST_CASE("deleting a port takes only its own messages out of a shared queue (TLFS 2.0a 14.9.2)", "[ports]")
{
    Fabric const fabric;
    start_synic(fabric.receiver);
    for (std::uint32_t id = 1; id <= 2; ++id) {
        REQUIRE(fabric.create(id, message_port(sint.value)) == Status::Success);
        REQUIRE(fabric.connect(id, id, abi::PortType::Message) == Status::Success);
    }
    REQUIRE(fabric.post(2, 20) == Status::Success); // goes to the slot
    for (std::uint64_t i = 1; i <= 4; ++i) {
        REQUIRE(fabric.post(1, 10 + i) == Status::Success);
        REQUIRE(fabric.post(2, 20 + i) == Status::Success);
    }

    REQUIRE(fabric.remove(1) == Status::Success);
    GuestSlot const slot{fabric.receiver, sint};
    for (std::uint64_t i = 0; i <= 4; ++i) {
        auto const message = slot.take();
        REQUIRE(message);
        CHECK(message->payload[0] == 20 + i);
        CHECK(message->header.origin == 2);
    }
    CHECK_FALSE(slot.take());
}

TEST_CASE("after a port is deleted, its connection stays and fails, and so does a connect (TLFS 2.0a 14.4, 14.9.2)",
          "[ports]")
{
    Fabric const fabric;
    start_synic(fabric.receiver);
    REQUIRE(fabric.create(5, message_port(sint.value)) == Status::Success);
    REQUIRE(fabric.create(6, event_port(sint.value, 0, 8)) == Status::Success);
    REQUIRE(fabric.connect(1, 5, abi::PortType::Message) == Status::Success);
    REQUIRE(fabric.connect(2, 6, abi::PortType::Event) == Status::Success);

    REQUIRE(fabric.remove(5) == Status::Success);
    REQUIRE(fabric.remove(6) == Status::Success);
    CHECK(fabric.post(1, 1) == Status::InvalidPortId);
    CHECK(fabric.signal(2, 1) == Status::InvalidPortId);
    CHECK(fabric.connect(3, 5, abi::PortType::Message) == Status::InvalidPortId);
    CHECK(GuestSlot(fabric.receiver, sint).type() == 0);
    CHECK_FALSE(take_flag(fabric.receiver, sint, 1));

    // A new port with the old ID, in the old port's memory, is not what the connection led to.
    REQUIRE(fabric.create(5, message_port(sint.value)) == Status::Success);
    CHECK(fabric.post(1, 1) == Status::InvalidPortId);
    CHECK(fabric.connect(1, 5, abi::PortType::Message) == Status::InvalidConnectionId); // the ID is still taken
    REQUIRE(fabric.disconnect(1) == Status::Success);
    REQUIRE(fabric.connect(1, 5, abi::PortType::Message) == Status::Success);
    CHECK(fabric.post(1, 1) == Status::Success);
}

TEST_CASE("disconnecting from a deleted port leaves its successor's connection alone (TLFS 2.0a 14.9.3)", "[ports]")
{
    Fabric const fabric;
    REQUIRE(fabric.create(5, message_port(sint.value)) == Status::Success);
    REQUIRE(fabric.connect(1, 5, abi::PortType::Message) == Status::Success);
    REQUIRE(fabric.remove(5) == Status::Success);
    REQUIRE(fabric.create(5, message_port(sint.value)) == Status::Success);
    REQUIRE(fabric.connect(2, 5, abi::PortType::Message) == Status::Success);

    REQUIRE(fabric.disconnect(1) == Status::Success);
    CHECK(fabric.connect(3, 5, abi::PortType::Message) == Status::InvalidPortId); // still connected by 2
}

TEST_CASE("the sixteen buffers of a deleted port are free for the next (TLFS 2.0a 14.2.1)", "[ports]")
{
    Fabric const fabric;
    start_synic(fabric.receiver);
    for (unsigned round = 0; round < 3; ++round) {
        REQUIRE(fabric.create(5, message_port(sint.value)) == Status::Success);
        REQUIRE(fabric.connect(1, 5, abi::PortType::Message) == Status::Success);
        unsigned accepted = 0;
        while (accepted < 40 && fabric.post(1, accepted) == Status::Success)
            ++accepted;
        CHECK(accepted == (round == 0 ? 17 : 16)); // from the second round on the slot is taken
        REQUIRE(fabric.remove(5) == Status::Success);
        REQUIRE(fabric.disconnect(1) == Status::Success);
    }
}
