/// Ports and connections that come and go while others send through them (TLFS 2.0a §14.9.2, §14.9.6). Meant for
/// ThreadSanitizer.
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/threads.hpp"

using namespace hv;
using namespace hv::testing;
using namespace std::chrono_literals;
using abi::CallCode;

namespace {

constexpr Sint sint{2};
constexpr auto self = self_partition.value;

} // namespace

TEST_CASE("once HvDeletePort has returned, nothing enters the slot (TLFS 2.0a 14.9.2)", "[threads]")
{
    Fabric fabric;
    start_synic(fabric.receiver);
    GuestSlot const slot{fabric.receiver, sint};
    std::atomic<std::uint64_t> attempts{0};
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<bool> done{false};
    unsigned late = 0;
    unsigned rounds = 0;
    unsigned failures = 0;

    auto const wait_until = [](auto reached) {
        Patience const time{10s};
        while (!reached() && time.lasts())
            std::this_thread::yield();
    };
    run_together({
        [&] { // VP 1 of the sender posts all the time
            while (!done) {
                auto const status = call(fabric.sender, CallCode::PostMessage, message_input(1, attempts.load()), 1);
                if (status == Status::Success) ++accepted;
                ++attempts;
            }
        },
        [&] {
            Patience const time{1500ms};
            for (; time.lasts() && failures == 0; ++rounds) {
                failures += fabric.create(5, message_port(sint.value)) != Status::Success;
                failures += fabric.connect(1, 5, abi::PortType::Message) != Status::Success;
                auto const before = accepted.load();
                wait_until([&] { return accepted > before + rounds % 16; });
                failures += fabric.remove(5) != Status::Success;

                slot.empty();
                slot.end_of_message();
                auto const tried = attempts.load();
                wait_until([&] { return attempts >= tried + 2; });
                fabric.receiver.vp().synic().scan_queues();
                late += slot.type() != 0;
                failures += fabric.disconnect(1) != Status::Success;
            }
            done = true;
        },
    });

    CHECK(failures == 0);
    CHECK(late == 0);
    CHECK(rounds > 0);
}

namespace {

/// Two guests whose VPs make and delete ports and connections, and send through them.
struct Traffic {
    static constexpr std::uint32_t ids = 6; // ports 0 to 3 for messages, 4 and 5 for events
    static constexpr unsigned vps = 3;

    Traffic()
    {
        for (unsigned vp = 0; vp < vps; ++vp)
            start_synic(receiver, vp);
    }

    [[nodiscard]] Status create(std::uint32_t id, unsigned vp) const
    {
        auto const info = id < 4 ? message_port(sint.value, id == 3 ? any_vp.value : id % 2)
                                 : event_port(sint.value, 0, 64, id % 2);
        return call(receiver, CallCode::CreatePort, abi::CreatePortInput{self, id, 0, sender_id, info}, vp);
    }
    [[nodiscard]] Status remove(std::uint32_t id, unsigned vp) const
    {
        return call(receiver, CallCode::DeletePort, abi::DeletePortInput{self, id, 0}, vp);
    }
    [[nodiscard]] Status connect(std::uint32_t id, unsigned vp) const
    {
        auto const type = id < 4 ? abi::PortType::Message : abi::PortType::Event;
        return call(sender, CallCode::ConnectPort, abi::ConnectPortInput{self, id, 0, receiver_id, id, 0, type, 0},
                    vp);
    }
    [[nodiscard]] Status disconnect(std::uint32_t id, unsigned vp) const
    {
        return call(sender, CallCode::DisconnectPort, abi::DisconnectPortInput{self, id, 0}, vp);
    }
    void set_up() const
    {
        for (std::uint32_t id = 0; id < ids; ++id) {
            REQUIRE(create(id, 0) == Status::Success);
            REQUIRE(connect(id, 0) == Status::Success);
        }
    }
    void tear_down() const
    {
        for (std::uint32_t id = 0; id < ids; ++id) {
            (void)disconnect(id, 0);
            (void)remove(id, 0);
        }
    }

    /// Makes and deletes ports, and reads its slot.
    void receive(unsigned vp)
    {
        Patience const time{1200ms};
        Choices choices{vp};
        GuestSlot const slot{receiver, sint, vp};
        while (time.lasts()) {
            auto const id = choices.below(ids);
            switch (choices.below(4)) {
            case 0: (void)note(remove(id, vp)); break;
            case 1: (void)note(create(id, vp)); break;
            default: break;
            }
            while (slot.take())
                ++taken;
        }
    }
    /// Connects, disconnects, posts and signals.
    void send(unsigned vp)
    {
        Patience const time{1200ms};
        Choices choices{100 + vp};
        while (time.lasts()) {
            auto const id = choices.below(ids);
            switch (choices.below(8)) {
            case 0: (void)note(connect(id, vp)); break;
            case 1: (void)note(disconnect(id, vp)); break;
            case 2: (void)note(call(sender, CallCode::SignalEvent, abi::SignalEventInput{id, 5, 0}, vp)); break;
            default:
                if (note(call(sender, CallCode::PostMessage, message_input(id, 1), vp))) ++accepted;
                break;
            }
        }
    }
    bool note(Status status)
    {
        ++seen[static_cast<std::size_t>(status) & 0xFF];
        return status == Status::Success;
    }
    /// How often there was a status that none of these calls may have here.
    [[nodiscard]] std::uint32_t unexpected() const
    {
        std::uint32_t count = 0;
        for (std::size_t status = 0; status < seen.size(); ++status) {
            auto const expected = status == static_cast<std::size_t>(Status::Success) ||
                                  status == static_cast<std::size_t>(Status::InvalidPortId) ||
                                  status == static_cast<std::size_t>(Status::InvalidConnectionId) ||
                                  status == static_cast<std::size_t>(Status::InsufficientBuffers);
            if (!expected) count += seen[status];
        }
        return count;
    }

    PartitionRegistry registry;
    TestGuest receiver{registry, Rights::root(), vps};
    TestGuest sender{registry, Rights::root(), vps};
    std::uint64_t const receiver_id = receiver.partition->id().value;
    std::uint64_t const sender_id = sender.partition->id().value;
    std::array<std::atomic<std::uint32_t>, 0x100> seen{}; ///< by status
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::uint64_t> taken{0};
};

} // namespace

TEST_CASE("ports and connections that come and go under traffic leave the pools whole (TLFS 2.0a 14.2.1, 14.4)",
          "[threads]")
{
    Traffic traffic;
    auto const& receiver_pool = traffic.receiver.partition->pool();
    auto const& sender_pool = traffic.sender.partition->pool();
    traffic.set_up(); // so that the table nodes are there
    traffic.tear_down();
    auto const receiver_free = receiver_pool.free_bytes();
    auto const sender_free = sender_pool.free_bytes();

    std::vector<std::function<void()>> bodies;
    for (unsigned vp = 0; vp < Traffic::vps; ++vp) {
        bodies.emplace_back([&, vp] { traffic.receive(vp); });
        bodies.emplace_back([&, vp] { traffic.send(vp); });
    }
    run_together(bodies);
    traffic.tear_down();

    CHECK(receiver_pool.free_bytes() == receiver_free);
    CHECK(sender_pool.free_bytes() == sender_free);
    CHECK(traffic.taken > 0);
    CHECK(traffic.taken <= traffic.accepted);
    CHECK(traffic.unexpected() == 0);
    for (unsigned vp = 0; vp < Traffic::vps; ++vp) { // no queue has kept a deleted port's message
        GuestSlot const slot{traffic.receiver, sint, vp};
        slot.empty();
        slot.end_of_message();
        CHECK(slot.type() == 0);
    }
}

TEST_CASE("two partitions that connect to each other at the same time do not lock each other out", "[threads]")
{
    Fabric fabric;
    auto const& one = fabric.receiver;
    auto const& two = fabric.sender;
    auto const cross = [](TestGuest const& mine, TestGuest const& other) {
        auto const other_id = other.partition->id().value;
        Patience const time{400ms};
        while (time.lasts()) {
            (void)call(mine, CallCode::CreatePort, abi::CreatePortInput{self, 1, 0, other_id, message_port(1)});
            (void)call(mine, CallCode::ConnectPort,
                       abi::ConnectPortInput{self, 1, 0, other_id, 1, 0, abi::PortType::Message, 0});
            (void)call(mine, CallCode::PostMessage, message_input(1, 1));
            (void)call(mine, CallCode::DisconnectPort, abi::DisconnectPortInput{self, 1, 0});
            (void)call(mine, CallCode::DeletePort, abi::DeletePortInput{self, 1, 0});
        }
    };
    run_together({[&] { cross(one, two); }, [&] { cross(two, one); }});

    CHECK(one.partition->ports().find(1) == 0);
    CHECK(two.partition->connections().find(1) == 0);
    CHECK(one.partition->pool().free_bytes() == two.partition->pool().free_bytes());
}

TEST_CASE("a partition can be taken away while others send to it and make ports in it", "[threads]")
{
    PartitionRegistry registry;
    TestGuest parent{registry, Rights::root(), 2};
    std::atomic<std::uint64_t> child_id{0};
    std::atomic<bool> done{false};
    unsigned rounds = 0;
    run_together({
        [&] {
            while (!done) {
                (void)call(parent, CallCode::PostMessage, message_input(1, 1), 0);
                (void)call(parent, CallCode::SignalEvent, abi::SignalEventInput{2, 1, 0}, 0);
            }
        },
        [&] {
            while (!done) {
                auto const id = child_id.load();
                (void)call(parent, CallCode::CreatePort, abi::CreatePortInput{id, 1, 0, self, message_port(1)}, 1);
                (void)call(parent, CallCode::CreatePort, abi::CreatePortInput{id, 2, 0, self, event_port(1, 0, 8)},
                           1);
                for (std::uint32_t port = 1; port <= 2; ++port)
                    (void)call(parent, CallCode::ConnectPort,
                               abi::ConnectPortInput{self, port, 0, id, port, 0, abi::PortType{port}, 0}, 1);
            }
        },
        [&] {
            Patience const time{1000ms};
            for (; time.lasts(); ++rounds) {
                auto child = std::make_unique<TestGuest>(registry, Rights::ordinary(), 1, parent.partition->id());
                start_synic(*child);
                child_id = child->partition->id().value;
                for (unsigned i = 0; i < 50; ++i)
                    std::this_thread::yield();
                registry.remove(*child->partition);
                child.reset(); // its memory and its interrupt sink with it
                for (std::uint32_t id = 1; id <= 2; ++id)
                    (void)communication::disconnect(*parent.partition, ConnectionId{id});
            }
            done = true;
        },
    });
    CHECK(rounds > 0);
}
