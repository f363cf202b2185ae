/// Ports of the root partition, whose traffic goes to C++ handlers.
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"

#include <functional>

using namespace hv;
using namespace hv::testing;

namespace {

struct RecordingHandler final : PortHandler {
    std::vector<std::pair<abi::MessageType, std::vector<std::byte>>> messages;
    std::vector<unsigned> events;
    std::function<void()> on_arrival;
    std::function<void()> at_end;

    ~RecordingHandler() override
    {
        if (at_end) at_end();
    }
    void on_message(abi::MessageType type, std::span<std::byte const> payload) override
    {
        messages.emplace_back(type, std::vector<std::byte>{payload.begin(), payload.end()});
        if (on_arrival) on_arrival();
    }
    void on_event(unsigned flag) override { events.push_back(flag); }
};

struct RootPorts {
    PartitionRegistry registry;
    TestGuest guest{registry, Rights::ordinary()};
    Partition& root{registry.root()};

    [[nodiscard]] Status create(std::uint32_t id, abi::PortType type, std::shared_ptr<PortHandler> handler)
    {
        return communication::create_port(root, PortId{id},
                                          {.type = type,
                                           .flag_count = 8,
                                           .connection_partition = guest.partition->id(),
                                           .handler = std::move(handler)});
    }
    [[nodiscard]] Status connect(std::uint32_t id, abi::PortType type)
    {
        return communication::connect(*guest.partition, ConnectionId{id}, root, PortId{id}, type);
    }
};

} // namespace

TEST_CASE("a root port's handler gets type, payload and flags, and needs no SynIC", "[root]")
{
    RootPorts r;
    auto const handler = std::make_shared<RecordingHandler>();
    REQUIRE(r.create(1, abi::PortType::Message, handler) == Status::Success);
    REQUIRE(r.create(2, abi::PortType::Event, handler) == Status::Success);
    REQUIRE(r.connect(1, abi::PortType::Message) == Status::Success);
    REQUIRE(r.connect(2, abi::PortType::Event) == Status::Success);

    CHECK(call(r.guest, abi::CallCode::PostMessage, message_input(1, 0x0102'0304, 3, 9)) == Status::Success);
    CHECK(call(r.guest, abi::CallCode::SignalEvent, abi::SignalEventInput{2, 7, 0}) == Status::Success);
    CHECK(call(r.guest, abi::CallCode::SignalEvent, abi::SignalEventInput{2, 8, 0}) == Status::InvalidParameter);
    REQUIRE(handler->messages.size() == 1);
    CHECK(handler->messages[0].first == abi::MessageType{9});
    CHECK(handler->messages[0].second == std::vector{std::byte{4}, std::byte{3}, std::byte{2}});
    CHECK(handler->events == std::vector{7U});

    REQUIRE(communication::delete_port(r.root, PortId{1}) == Status::Success);
    CHECK(call(r.guest, abi::CallCode::PostMessage, message_input(1, 1)) == Status::InvalidPortId);
    CHECK(handler->messages.size() == 1);
}

TEST_CASE("a handler may use the fabric, its own port included", "[root]")
{
    RootPorts r;
    auto const handler = std::make_shared<RecordingHandler>();
    REQUIRE(r.create(1, abi::PortType::Message, handler) == Status::Success);
    REQUIRE(r.connect(1, abi::PortType::Message) == Status::Success);
    handler->on_arrival = [&] { (void)communication::delete_port(r.root, PortId{1}); };
    CHECK(call(r.guest, abi::CallCode::PostMessage, message_input(1, 1)) == Status::Success);
    CHECK(call(r.guest, abi::CallCode::PostMessage, message_input(1, 2)) == Status::InvalidPortId);
    CHECK(handler->messages.size() == 1);
}

TEST_CASE("a handler that goes with its port may still use the fabric", "[root]")
{
    RootPorts r;
    auto handler = std::make_shared<RecordingHandler>();
    auto* const last = handler.get();
    last->at_end = [&] { (void)communication::delete_port(r.root, PortId{2}); };
    REQUIRE(r.create(1, abi::PortType::Message, std::move(handler)) == Status::Success);
    REQUIRE(r.create(2, abi::PortType::Message, std::make_shared<RecordingHandler>()) == Status::Success);
    REQUIRE(communication::delete_port(r.root, PortId{1}) == Status::Success);
    CHECK(r.root.ports().find(2) == 0);
}
