/// Partitions that come and go.
#include "hv/partition/registry.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"

using namespace hv;
using namespace hv::testing;

TEST_CASE("partition IDs are never given twice, and the root is 1", "[registry]")
{
    PartitionRegistry registry;
    CHECK(registry.root().id() == PartitionRegistry::root_id);
    CHECK(registry.find(PartitionId{1}).get() == &registry.root());
    CHECK(registry.find(invalid_partition) == nullptr);
    CHECK(registry.find(self_partition) == nullptr);

    PartitionId former{1};
    for (unsigned i = 0; i < 4; ++i) {
        TestGuest guest{registry};
        CHECK(guest.partition->id() > former);
        former = guest.partition->id();
        CHECK(registry.find(former) == guest.partition);
        registry.remove(*guest.partition);
        CHECK(registry.find(former) == nullptr);
    }
}

TEST_CASE("a partition that goes takes its ports and connections along; its peers keep useless ones (TLFS 2.0a 14.4)",
          "[registry]")
{
    PartitionRegistry registry;
    TestGuest const stays{registry};
    auto const stays_id = stays.partition->id().value;
    auto goes = std::make_unique<TestGuest>(registry);
    auto const goes_id = goes->partition->id().value;
    start_synic(*goes);
    auto const create = [](TestGuest const& owner, std::uint64_t peer) {
        return call(owner, abi::CallCode::CreatePort,
                    abi::CreatePortInput{self_partition.value, 1, 0, peer, message_port(1)});
    };
    auto const connect = [](TestGuest const& sender, std::uint32_t id, std::uint64_t peer) {
        return call(sender, abi::CallCode::ConnectPort,
                    abi::ConnectPortInput{self_partition.value, id, 0, peer, 1, 0, abi::PortType::Message, 0});
    };
    REQUIRE(create(*goes, stays_id) == Status::Success);
    REQUIRE(create(stays, goes_id) == Status::Success);
    REQUIRE(connect(stays, 1, goes_id) == Status::Success);
    REQUIRE(connect(*goes, 1, stays_id) == Status::Success);
    for (unsigned i = 0; i < 5; ++i)
        REQUIRE(call(stays, abi::CallCode::PostMessage, message_input(1, i)) == Status::Success);

    registry.remove(*goes->partition);
    goes.reset();

    CHECK(call(stays, abi::CallCode::PostMessage, message_input(1, 1)) == Status::InvalidPortId);
    CHECK(connect(stays, 2, goes_id) == Status::InvalidPartitionId);
    CHECK(call(stays, abi::CallCode::DisconnectPort, abi::DisconnectPortInput{self_partition.value, 1, 0}) ==
          Status::Success);
    CHECK(call(stays, abi::CallCode::DeletePort, abi::DeletePortInput{self_partition.value, 1, 0}) ==
          Status::Success);
}

TEST_CASE("its children become the root's, and their own children stay theirs", "[registry]")
{
    PartitionRegistry registry;
    TestGuest const parent{registry};
    TestGuest const child{registry, Rights::root(), 1, parent.partition->id()};
    TestGuest const grandchild{registry, Rights::root(), 1, child.partition->id()};
    TestGuest const other{registry};
    abi::DeletePortInput const input{child.partition->id().value, 1, 0};
    REQUIRE(call(parent, abi::CallCode::DeletePort, input) == Status::InvalidPortId);

    registry.remove(*parent.partition);
    CHECK(child.partition->parent() == PartitionRegistry::root_id);
    CHECK(grandchild.partition->parent() == child.partition->id());
    CHECK(call(child, abi::CallCode::DeletePort, input) == Status::InvalidPortId);
    CHECK(call(other, abi::CallCode::DeletePort, input) == Status::AccessDenied);
}

TEST_CASE("a parent that does not exist leaves a partition to the root", "[registry]")
{
    PartitionRegistry registry;
    PartitionId gone{};
    {
        TestGuest const former{registry};
        gone = former.partition->id();
        registry.remove(*former.partition);
    }
    TestGuest const orphan{registry, Rights::root(), 1, gone};
    CHECK(orphan.partition->parent() == PartitionRegistry::root_id);

    TestGuest const parent{registry};
    registry.set_parent(*orphan.partition, parent.partition->id());
    CHECK(orphan.partition->parent() == parent.partition->id());
    abi::DeletePortInput const input{orphan.partition->id().value, 1, 0};
    CHECK(call(parent, abi::CallCode::DeletePort, input) == Status::InvalidPortId);
    registry.set_parent(*orphan.partition, gone);
    CHECK(orphan.partition->parent() == PartitionRegistry::root_id);
    CHECK(call(parent, abi::CallCode::DeletePort, input) == Status::AccessDenied);
}

TEST_CASE("nothing is made in a partition that has gone meanwhile, though the caller still holds it", "[registry]")
{
    Fabric fabric;
    REQUIRE(fabric.create(1, message_port(1)) == Status::Success);
    auto const receiver = fabric.receiver.partition;
    auto const sender = fabric.sender.partition;
    PortSpec const spec{.type = abi::PortType::Message,
                        .sint = Sint{1},
                        .target_vp = VpIndex{0},
                        .connection_partition = sender->id(),
                        .handler = nullptr};

    // As for a thread that has found both partitions active just before.
    fabric.registry.remove(*sender);
    CHECK(communication::connect(*sender, ConnectionId{1}, *receiver, PortId{1}, abi::PortType::Message) ==
          Status::InvalidPartitionState);
    fabric.registry.remove(*receiver);
    CHECK(communication::create_port(*receiver, PortId{2}, spec) == Status::InvalidPartitionState);
    CHECK(receiver->ports().find(2) == 0);
}
