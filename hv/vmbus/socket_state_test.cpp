/// What becomes of a guest's wishes for sockets when its bus goes on elsewhere.
#include "hv/testing/moved_bus.hpp"

#include <functional>
#include <memory>

using namespace hv;
using namespace hv::testing;
using namespace hv::vmbus;

TEST_CASE("a guest's wish for a socket that has no answer yet is refused elsewhere", "[vmbus][state]")
{
    struct Listener final : SocketListener {
        std::function<void(Guid const& endpoint)> answer = [](auto const&) {};
        void connect_requested(Guid const& endpoint, Guid const&) override { answer(endpoint); }
    };
    Journey journey;
    auto const listener = std::make_shared<Listener>();
    auto& bus = *journey.guest->bus;
    bus.set_socket_listener(listener);
    journey.guest->contact();
    REQUIRE(journey.guest->offers().size() == 1);
    auto const ask = [&] {
        journey.guest->say(abi::TlConnectRequest{{Type::TlConnectRequest, 0}, instance_b, interface_a});
        REQUIRE(journey.guest->executor->crank_one());
    };
    auto const offer_socket = [&](Guid const& endpoint) {
        bus.offer({.interface = interface_a, .instance = endpoint, .flags = channel_flags::hv_socket},
                  std::make_shared<RecordingDevice>());
    };
    SECTION("one that the listener has")
    {
        ask();
    }
    SECTION("one that the bus had not come to offer, or to refuse")
    {
        bool const refused = GENERATE(false, true);
        listener->answer = [&](Guid const& endpoint) {
            if (refused) return bus.refuse_socket(endpoint, interface_a);
            offer_socket(endpoint);
        };
        ask();
    }
    SECTION("but none that was answered")
    {
        listener->answer = offer_socket;
        ask();
        REQUIRE(journey.guest->hear<abi::OfferChannel>(Type::OfferChannel).size() == 1);
        journey.go_on_elsewhere();
        CHECK(journey.guest->answer<abi::ChannelMessage>(Type::RescindChannelOffer).channel == 2);
        return;
    }
    journey.go_on_elsewhere();
    auto const result = journey.guest->answer<abi::TlConnectResult>(Type::TlConnectResult);
    CHECK(result.endpoint == instance_b);
    CHECK(result.service == interface_a);
    CHECK(result.status != 0);
    journey.go_on_elsewhere();
    CHECK(journey.guest->hear().empty());
}
