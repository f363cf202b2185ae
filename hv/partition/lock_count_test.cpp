/// Which locks posting and signalling take: the port's and the SynIC's, and none that others share. What is counted
/// is counted in debug builds only (hv/base/sync.hpp).
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"

#include <functional>
#include <future>
#include <utility>

using namespace hv;
using namespace hv::testing;
using namespace std::chrono_literals;
using abi::CallCode;
using abi::PortType;

namespace {

constexpr Sint sint{2};

#ifndef NDEBUG

/// How many locks of each rank an action takes on this thread.
struct Taken {
    std::uint64_t registry, partition, tables, port, synic, leaf;

    friend bool operator==(Taken const&, Taken const&) = default;
    friend std::ostream& operator<<(std::ostream& out, Taken const& t)
    {
        return out << "registry " << t.registry << ", partition " << t.partition << ", tables " << t.tables
                   << ", port " << t.port << ", synic " << t.synic << ", leaf " << t.leaf;
    }
};

Taken now()
{
    return {locks_taken(LockRank::Registry), locks_taken(LockRank::Partition), locks_taken(LockRank::Tables),
            locks_taken(LockRank::Port),     locks_taken(LockRank::Synic),     locks_taken(LockRank::Leaf)};
}

template <typename Action>
Taken locks_of(Action action)
{
    auto const before = now();
    REQUIRE(action() == Status::Success);
    auto const after = now();
    return {after.registry - before.registry, after.partition - before.partition, after.tables - before.tables,
            after.port - before.port,         after.synic - before.synic,         after.leaf - before.leaf};
}

constexpr Taken port_and_synic{0, 0, 0, 1, 1, 0};
constexpr Taken port_alone{0, 0, 0, 1, 0, 0};
constexpr Taken synic_alone{0, 0, 0, 0, 1, 0};

struct DeafHandler final : PortHandler {
    void on_message(abi::MessageType, std::span<std::byte const>) override {}
    void on_event(unsigned) override {}
};

#endif

/// Does something when a message is delivered, under the locks of the delivery.
struct DeliveryTracer final : QuietTracer {
    std::function<void()> on_delivery;

    void message(VpIndex, Sint, abi::MessageHeader const&, MessageStep) override
    {
        if (on_delivery) on_delivery();
    }
};

} // namespace

#ifndef NDEBUG

TEST_CASE("a post and a signal to another partition take the port's lock and the SynIC's, once each", "[locks]")
{
    Fabric const fabric;
    auto const vp = GENERATE(0U, 1U, any_vp.value);
    start_synic(fabric.receiver, 0);
    start_synic(fabric.receiver, 1);
    REQUIRE(fabric.create(1, message_port(sint.value, vp)) == Status::Success);
    REQUIRE(fabric.create(2, event_port(sint.value, 0, 8, vp)) == Status::Success);
    REQUIRE(fabric.connect(1, 1, PortType::Message) == Status::Success);
    REQUIRE(fabric.connect(2, 2, PortType::Event) == Status::Success);

    CHECK(locks_of([&] { return fabric.post(1, 1); }) == port_and_synic);
    CHECK(locks_of([&] { return fabric.signal(2, 1); }) == port_and_synic);
    CHECK(locks_of([&] { return fabric.signal(2, 1); }) == port_and_synic); // set already
    // The first message that has to wait makes the port's buffers in between.
    CHECK(locks_of([&] { return fabric.post(1, 2); }) == Taken{0, 0, 0, 1, 2, 0});
    CHECK(locks_of([&] { return fabric.post(1, 3); }) == port_and_synic);
}

TEST_CASE("a post and a signal to a handler of the root take the port's lock alone", "[locks]")
{
    Fabric fabric;
    auto& root = fabric.registry.root();
    for (auto const type : {PortType::Message, PortType::Event}) {
        auto const id = static_cast<std::uint32_t>(type);
        REQUIRE(communication::create_port(root, PortId{id},
                                           {.type = type,
                                            .flag_count = 8,
                                            .connection_partition = fabric.sender.partition->id(),
                                            .handler = std::make_shared<DeafHandler>()}) == Status::Success);
        REQUIRE(communication::connect(*fabric.sender.partition, ConnectionId{id}, root, PortId{id}, type) ==
                Status::Success);
    }
    CHECK(locks_of([&] { return fabric.post(1, 1); }) == port_alone);
    CHECK(locks_of([&] { return fabric.signal(2, 1); }) == port_alone);
}

TEST_CASE("EOM, and the retry, take the SynIC's lock alone, and none when nothing is queued", "[locks]")
{
    Fabric const fabric;
    start_synic(fabric.receiver);
    REQUIRE(fabric.create(1, message_port(sint.value)) == Status::Success);
    REQUIRE(fabric.connect(1, 1, PortType::Message) == Status::Success);
    auto const eom = [&] {
        write_msr(fabric.receiver, abi::msr::eom, 0);
        return Status::Success;
    };
    CHECK(locks_of(eom) == Taken{});
    REQUIRE(fabric.post(1, 1) == Status::Success);
    CHECK(locks_of(eom) == Taken{});
    REQUIRE(fabric.post(1, 2) == Status::Success);
    CHECK(locks_of(eom) == synic_alone);
}

TEST_CASE("posts that are refused take no more than those that are accepted", "[locks]")
{
    Fabric const fabric;
    start_synic(fabric.receiver);
    REQUIRE(fabric.create(1, message_port(sint.value)) == Status::Success);
    REQUIRE(fabric.connect(1, 1, PortType::Message) == Status::Success);
    auto const refused = [&](std::uint32_t connection, Status expected) {
        return locks_of(
            [&] { return fabric.post(connection, 1) == expected ? Status::Success : Status::NoResources; });
    };
    CHECK(refused(2, Status::InvalidConnectionId) == Taken{});
    write_msr(fabric.receiver, abi::msr::scontrol, 0);
    CHECK(refused(1, Status::InvalidSynicState) == port_and_synic);
    write_msr(fabric.receiver, abi::msr::scontrol, 1);
    while (fabric.post(1, 1) == Status::Success) {
    }
    CHECK(refused(1, Status::InsufficientBuffers) == port_and_synic);
    REQUIRE(fabric.remove(1) == Status::Success);
    CHECK(refused(1, Status::InvalidPortId) == port_alone);
}

#endif

TEST_CASE("a post in the middle of another, to another VP through another port, does not wait for it", "[locks]")
{
    PartitionRegistry registry;
    DeliveryTracer tracer;
    TestGuest const receiver{registry, Rights::root(), 2, PartitionRegistry::root_id, std::uint64_t{64} << 20,
                             &tracer};
    TestGuest const sender{registry, Rights::root(), 2};
    auto const self = self_partition.value;
    for (std::uint32_t vp = 0; vp < 2; ++vp) {
        start_synic(receiver, vp);
        REQUIRE(call(receiver, CallCode::CreatePort,
                     abi::CreatePortInput{self, vp, 0, sender.partition->id().value, message_port(sint.value, vp)}) ==
                Status::Success);
        REQUIRE(call(sender, CallCode::ConnectPort,
                     abi::ConnectPortInput{self, vp, 0, receiver.partition->id().value, vp, 0, PortType::Message,
                                           0}) == Status::Success);
    }

    bool begun = false;
    bool other_done = false;
    tracer.on_delivery = [&] {
        if (std::exchange(begun, true)) return; // the other post is traced too
        auto other = std::async(std::launch::async, [&] {
            return call(sender, CallCode::PostMessage, message_input(1, 2), 1) == Status::Success;
        });
        if (other.wait_for(30s) != std::future_status::ready) {
            std::fputs("a post waits for another that has nothing to do with it\n", stderr);
            std::abort(); // the two would wait for each other for ever
        }
        other_done = other.get();
    };
    CHECK(call(sender, CallCode::PostMessage, message_input(0, 1), 0) == Status::Success);
    CHECK(other_done);
    CHECK(GuestSlot(receiver, sint, 0).word() == 1);
    CHECK(GuestSlot(receiver, sint, 1).word() == 2);
}
