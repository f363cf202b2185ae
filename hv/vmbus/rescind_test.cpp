/// Channels that are taken back while the guest does not say that it has forgotten them.
#include "hv/testing/bus_guest.hpp"
#include "hv/testing/inspected.hpp"

#include <string>

using namespace hv;
using namespace hv::testing;
using namespace hv::vmbus;

namespace {

std::string bus_value(Server const& bus, std::string const& name)
{
    Inspected seen;
    bus.inspect(seen);
    return seen.at("vmbus/" + name);
}

} // namespace

TEST_CASE("what is taken back holds no device while the guest keeps the number", "[vmbus][hostile]")
{
    BusGuest guest;
    guest.open_one();
    auto sub_channel = std::make_shared<RecordingDevice>();
    std::weak_ptr<RecordingDevice> const gone = sub_channel;
    guest.bus->offer({.interface = interface_a, .instance = instance_a, .sub_channel = 1}, std::move(sub_channel));
    CHECK(guest.answer<abi::OfferChannel>(Type::OfferChannel).channel == 2);
    CHECK_FALSE(gone.expired());
    guest.close(1);
    CHECK(guest.answer<abi::ChannelMessage>(Type::RescindChannelOffer).channel == 2);
    CHECK(gone.expired());
    CHECK(bus_value(*guest.bus, "unreleased_channels") == "1");
    guest.say(abi::ChannelMessage{{Type::RelIdReleased, 0}, 2});
    guest.hear();
    CHECK(bus_value(*guest.bus, "unreleased_channels") == "0");
}

TEST_CASE("a guest that releases no numbers runs out of sub-channels, is told of once, and keeps its devices",
          "[vmbus][hostile]")
{
    BusGuest guest;
    guest.open_one();
    auto const cycle = [&] {
        auto device = std::make_shared<RecordingDevice>();
        guest.bus->offer({.interface = interface_a, .instance = instance_b, .sub_channel = 1}, std::move(device));
        guest.bus->withdraw(instance_b);
        return guest.hear<abi::OfferChannel>(Type::OfferChannel).size();
    };
    unsigned offered = 0;
    while (cycle() == 1)
        ++offered;
    CHECK(offered == 1024);
    CHECK(bus_value(*guest.bus, "unreleased_channels") == "1024");
    REQUIRE(guest.reports.size() == 1);
    CHECK(guest.reports[0].find("cannot be offered") != std::string::npos);
    CHECK(cycle() == 0);
    CHECK(guest.reports.size() == 1);

    guest.bus->offer({.interface = interface_a, .instance = instance_b}, guest.device); // a disk that is added
    CHECK(guest.hear<abi::OfferChannel>(Type::OfferChannel).size() == 1);
    guest.bus->withdraw(instance_b);
    guest.hear();
    guest.say(abi::ChannelMessage{{Type::RelIdReleased, 0}, 2});
    guest.say(abi::ChannelMessage{{Type::RelIdReleased, 0}, 3});
    guest.hear();
    CHECK(cycle() == 1);
}

TEST_CASE("however often a guest posts, one task reads what it has posted", "[vmbus][hostile]")
{
    BusGuest guest;
    guest.contact();
    guest.hear();
    for (unsigned i = 0; i < 1000; ++i) {
        CHECK(guest.say(abi::ChannelMessageHeader{Type{99}, 0}) == Status::Success);
        CHECK(guest.executor->tasks() <= 1);
        if (i % 40 == 39) CHECK(guest.executor->crank_one());
    }
    guest.executor->crank();
    CHECK(guest.executor->tasks() == 0);
}
