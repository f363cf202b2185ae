#include "hv/partition/communication.hpp"
#include "hv/testing/bus_guest.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/inspected.hpp"
#include "hv/vmbus/inbox.hpp"
#include "hv/vmbus/server.hpp"

#include <array>
#include <cstring>
#include <vector>

using namespace hv;
using namespace hv::testing;
using namespace hv::vmbus;
using namespace std::chrono_literals;

namespace {

std::size_t ids_in(IdTable const& table)
{
    std::size_t count = 0;
    table.for_each([&count](std::uint32_t, std::uint64_t) { ++count; });
    return count;
}

} // namespace

TEST_CASE("each version from 2.4 to 5.3 is agreed upon, and no other", "[vmbus]")
{
    BusGuest guest;
    auto const [number, supported] = GENERATE(table<std::uint32_t, int>({{0x0000'000D, 0},
                                                                         {0x0001'0001, 0},
                                                                         {0x0002'0004, 1},
                                                                         {0x0003'0000, 1},
                                                                         {0x0004'0000, 1},
                                                                         {0x0004'0001, 1},
                                                                         {0x0005'0000, 1},
                                                                         {0x0005'0001, 1},
                                                                         {0x0005'0002, 1},
                                                                         {0x0005'0003, 1},
                                                                         {0x0005'0004, 0},
                                                                         {0x0006'0000, 0}}));
    auto const answer = guest.contact(abi::VmbusVersion{number});
    CHECK(answer.supported == supported);
    CHECK(answer.connection_state == 0);
    CHECK(answer.connection == (supported != 0 && number >= 0x0005'0000 ? 4 : 0));
}

TEST_CASE("the host answers on the VP that the guest names", "[vmbus]")
{
    BusGuest guest;
    GuestSlot const other{guest.guest, abi::vmbus_sint, 1};
    abi::InitiateContact message{};
    message.header.type = Type::InitiateContact;
    message.version = abi::VmbusVersion::Win8;
    message.target_vp = 1;
    guest.say(message, 1);
    CHECK(guest.hear().empty());
    CHECK(other.take());
}

TEST_CASE("offers come when the guest asks, then as devices come", "[vmbus]")
{
    BusGuest guest;
    OfferSpec spec{.interface = interface_a, .instance = instance_a, .flags = 0x2001, .mmio_megabytes = 8};
    spec.user_defined[119] = std::byte{7};
    guest.bus->offer(spec, guest.device);
    guest.contact();

    guest.say(abi::ChannelMessageHeader{Type::RequestOffers, 0});
    auto const heard = guest.hear();
    REQUIRE(heard.size() == 2);
    abi::OfferChannel offer{};
    REQUIRE(heard[0].size() == sizeof offer);
    std::memcpy(&offer, heard[0].data(), sizeof offer);
    CHECK(offer.header.type == Type::OfferChannel);
    CHECK(offer.interface == interface_a);
    CHECK(offer.instance == instance_a);
    CHECK(offer.flags == 0x2001);
    CHECK(offer.mmio_megabytes == 8);
    CHECK(offer.user_defined[119] == std::byte{7});
    CHECK(offer.channel == 1);
    CHECK(offer.dedicated_interrupt == 1);
    CHECK(offer.monitor_allocated == 0);
    CHECK(heard[1].size() == sizeof(abi::ChannelMessageHeader)); // AllOffersDelivered

    guest.bus->offer({.interface = interface_a, .instance = instance_b}, std::make_shared<RecordingDevice>());
    CHECK(guest.answer<abi::OfferChannel>(Type::OfferChannel).channel == 2);
}

TEST_CASE("more offers than a port has buffers arrive in order", "[vmbus]")
{
    BusGuest guest;
    for (int i = 0; i < 60; ++i)
        guest.bus->offer({.interface = interface_a, .instance = instance_a}, guest.device);
    guest.contact();
    guest.say(abi::ChannelMessageHeader{Type::RequestOffers, 0});
    std::uint32_t next = 1;
    for (int rounds = 0; rounds < 100 && next <= 60; ++rounds) {
        for (auto const& offer : guest.hear<abi::OfferChannel>(Type::OfferChannel))
            CHECK(offer.channel == next++);
        guest.executor->advance(64ms);
    }
    CHECK(next == 61);
}

TEST_CASE("an open channel has the guest's rings, takes its signals and interrupts the VP that it chose", "[vmbus]")
{
    BusGuest guest;
    guest.open_one();
    REQUIRE(guest.device->opens == 1);
    CHECK(guest.device->channel->user_data()[0] == std::byte{42});
    CHECK(guest.device->channel->target_vp() == VpIndex{1});

    auto* const ram = guest.guest.ram.get();
    GuestRing const to_host{ram + 16 * page_size, 4};
    GuestRing const to_guest{ram + 20 * page_size, 4};
    REQUIRE(to_host.write(abi::PacketType::DataInband, 5, std::uint64_t{1234}));
    auto const connection = 0x00F0'0001U;
    CHECK(fast_call(guest.guest, abi::CallCode::SignalEvent, connection) == Status::Success);
    CHECK(guest.device->signals == 1);

    Packet packet;
    REQUIRE(guest.device->channel->incoming().next(packet) == IncomingRing::Next::Taken);
    CHECK(packet.transaction() == 5);
    REQUIRE(guest.device->channel->outgoing().complete(5, {}));
    guest.device->channel->publish();
    CHECK(to_guest.take());
    CHECK(guest.flag_set(1, 1));
    CHECK_FALSE(guest.flag_set(1, 0));
}

TEST_CASE("an open channel tells of its VP, its rings and its device", "[vmbus][inspect]")
{
    BusGuest guest;
    guest.open_one();
    GuestRing const to_host{guest.guest.ram.get() + 16 * page_size, 4};
    REQUIRE(to_host.write(abi::PacketType::DataInband, 5, std::uint64_t{1234}));
    guest.device->channel->incoming().mask_signals(true);

    Inspected seen;
    guest.bus->inspect(seen);
    auto const at = [&](std::string const& name) { return seen.at("vmbus/channel 1/" + name); };
    CHECK(at("vp") == "1");
    CHECK(at("ring_to_host/size") == std::to_string(3 * page_size));
    CHECK(at("ring_to_host/write_index") == "32");
    CHECK(at("ring_to_host/read_index") == "0");
    CHECK(at("ring_to_host/interrupts_masked") == "true");
    CHECK(at("ring_to_guest/write_index") == "0");
    CHECK(at("ring_to_guest/interrupts_masked") == "false");
    CHECK(at("device/signals") == "0");

    guest.close(1);
    CHECK(guest.hear().empty());
    Inspected later;
    guest.bus->inspect(later);
    CHECK(later.at("vmbus/channel 1/open") == "false");
    CHECK(later.nodes_below("vmbus/channel 1") == 1);
}

TEST_CASE("the guest moves a channel's interrupts to another VP, and is told so from 5.3 on", "[vmbus]")
{
    BusGuest guest;
    guest.open_one();
    guest.say(abi::ModifyChannel{{Type::ModifyChannel, 0}, 1, 0});
    CHECK(guest.answer<abi::ModifyChannelResponse>(Type::ModifyChannelResponse).status == 0);
    CHECK(guest.flag_set(1, 0)); // for what may have come to the other one meanwhile
    guest.device->channel->interrupt();
    CHECK(guest.flag_set(1, 0));

    guest.say(abi::ModifyChannel{{Type::ModifyChannel, 0}, 1, 9});
    CHECK(guest.answer<abi::ModifyChannelResponse>(Type::ModifyChannelResponse).status != 0);
    CHECK(guest.device->channel->target_vp() == VpIndex{0});
}

TEST_CASE("a channel does not open without proper rings", "[vmbus]")
{
    BusGuest guest;
    guest.bus->offer({.interface = interface_a, .instance = instance_a}, guest.device);
    guest.contact();
    guest.offers();
    REQUIRE(guest.share(1, 1, BusGuest::ring_pages) == 0);
    SECTION("no such GPADL")
    {
        CHECK(guest.open(1, 7) != 0);
    }
    SECTION("no such channel")
    {
        CHECK(guest.open(2) != 0);
    }
    SECTION("no such VP")
    {
        CHECK(guest.open(1, 1, 2) != 0);
    }
    SECTION("no data page to the host")
    {
        CHECK(guest.open(1, 1, 0, 1) != 0);
    }
    SECTION("no data page to the guest")
    {
        CHECK(guest.open(1, 1, 0, 7) != 0);
    }
    SECTION("a ring beyond the end")
    {
        CHECK(guest.open(1, 1, 0, 0xFFFF'FFFF) != 0);
    }
    CHECK(guest.device->opens == 0);
    CHECK(guest.open(1) == 0);
    CHECK(guest.open(1) != 0); // it is open already
    CHECK(guest.device->opens == 1);
}

TEST_CASE("a closed channel interrupts nobody, and can be opened again", "[vmbus]")
{
    BusGuest guest;
    guest.open_one();
    auto const old = guest.device->channel;
    guest.close(1);
    CHECK(guest.hear().empty());
    old->interrupt();
    CHECK_FALSE(guest.flag_set(1, 1));
    CHECK(guest.open(1) == 0);
    CHECK(guest.device->opens == 2);
    guest.device->channel->interrupt();
    CHECK(guest.flag_set(1, 1));
}

TEST_CASE("a device that is withdrawn: closed, rescinded, its number free when the guest has forgotten it", "[vmbus]")
{
    BusGuest guest;
    guest.open_one();
    guest.bus->withdraw(instance_a);
    CHECK(guest.answer<abi::ChannelMessage>(Type::RescindChannelOffer).channel == 1);
    CHECK(guest.device->closes == 1);
    CHECK(fast_call(guest.guest, abi::CallCode::SignalEvent, 0x00F0'0001) == Status::InvalidConnectionId);
    CHECK(guest.open(1) != 0);

    guest.bus->offer({.interface = interface_a, .instance = instance_b}, guest.device);
    CHECK(guest.answer<abi::OfferChannel>(Type::OfferChannel).channel == 2);
    guest.say(abi::ChannelMessage{{Type::RelIdReleased, 0}, 1});
    guest.bus->offer({.interface = interface_a, .instance = instance_a}, guest.device);
    CHECK(guest.answer<abi::OfferChannel>(Type::OfferChannel).channel == 1);
}

TEST_CASE("sub-channels go with their primary channel", "[vmbus]")
{
    BusGuest guest;
    guest.open_one();
    guest.bus->offer({.interface = interface_a, .instance = instance_a, .sub_channel = 1}, guest.device);
    auto const offer = guest.answer<abi::OfferChannel>(Type::OfferChannel);
    CHECK(offer.sub_channel == 1);
    CHECK(offer.channel == 2);
    guest.close(1);
    CHECK(guest.answer<abi::ChannelMessage>(Type::RescindChannelOffer).channel == 2);
}

TEST_CASE("after unloading, the guest's bus is as new once no device uses its memory", "[vmbus]")
{
    BusGuest guest;
    guest.open_one();
    guest.bus->offer({.interface = interface_a, .instance = instance_a, .sub_channel = 1}, guest.device);
    guest.hear();
    guest.device->lingers = true;
    guest.say(abi::ChannelMessageHeader{Type::Unload, 0});
    CHECK(guest.hear().empty());
    CHECK(guest.device->closes == 1);
    guest.device->channel.reset();
    CHECK(guest.hear<abi::ChannelMessageHeader>(Type::UnloadResponse).size() == 1);

    guest.device->lingers = false;
    guest.say(abi::ChannelMessageHeader{Type::RequestOffers, 0}); // without a version
    CHECK(guest.hear().empty());
    CHECK(guest.contact().supported == 1);
    CHECK(guest.offers().size() == 1);
    REQUIRE(guest.share(1, 1, BusGuest::ring_pages) == 0);
    CHECK(guest.open(1) == 0);
}

TEST_CASE("a guest that contacts anew without unloading, as after a crash, begins anew", "[vmbus]")
{
    BusGuest guest;
    guest.open_one();
    CHECK(guest.contact().supported == 1);
    CHECK(guest.device->closes == 1);
    CHECK(guest.offers().size() == 1);
    CHECK(guest.share(1, 1, BusGuest::ring_pages) == 0);
}

TEST_CASE("a guest that posts and never reads finds the host's buffers in use (TLFS 2.0a 14.9.7)", "[vmbus]")
{
    BusGuest guest;
    guest.contact();
    std::size_t accepted = 0;
    auto status = Status::Success;
    for (int i = 0; i < 1000 && status == Status::Success; ++i) {
        status = guest.say(abi::ChannelMessageHeader{Type::RequestOffers, 0});
        if (status == Status::Success) ++accepted;
        guest.executor->crank();
    }
    CHECK(status == Status::InsufficientBuffers);
    CHECK(accepted >= Inbox::capacity);
    CHECK(accepted < 200);

    // It is served again once it reads.
    std::size_t delivered = 0;
    for (int i = 0; i < 200; ++i) {
        delivered += guest.hear().size();
        guest.executor->advance(64ms);
    }
    CHECK(delivered == accepted);
}

TEST_CASE("what is no message, or comes out of turn, is passed over", "[vmbus]")
{
    BusGuest guest;
    guest.open_one();
    auto const type = GENERATE(range(0U, 32U));
    auto const size = GENERATE(as<std::size_t>{}, 0, 4, 8, 12, 19, 240);
    if (type == 14 || type == 16 || type == 3) return; // contact, unload, offers: each has its answer
    std::vector<std::byte> message(size);
    if (size >= 4) std::memcpy(message.data(), &type, 4);
    guest.say_bytes(message);
    for (auto const& answer : guest.hear()) {
        abi::ChannelMessageHeader header{};
        std::memcpy(&header, answer.data(), sizeof header);
        bool const refusal = header.type == Type::OpenChannelResult || header.type == Type::GpadlCreated ||
                             header.type == Type::GpadlTorndown || header.type == Type::ModifyChannelResponse ||
                             header.type == Type::TlConnectResult;
        CHECK(refusal);
    }
    CHECK(guest.device->closes == 0);
    CHECK(guest.device->channel->gpadl(GpadlId{1}));
}

TEST_CASE("a guest whose pool has no room for a bus is refused as a whole", "[vmbus]")
{
    PartitionRegistry registry;
    TestGuest const guest{registry, Rights::ordinary(), 1, PartitionRegistry::root_id, 100};
    auto const executor = std::make_shared<CrankedExecutor>();
    CHECK_THROWS_AS((Server{guest.partition, executor}), std::runtime_error);
    CHECK(ids_in(registry.root().ports()) == 0);
    CHECK(ids_in(registry.root().connections()) == 0);
}

TEST_CASE("a bus that ends leaves nothing in the root and closes its channels", "[vmbus]")
{
    BusGuest guest;
    guest.open_one();
    CHECK(ids_in(guest.registry.root().ports()) > 0);
    guest.bus.reset();
    CHECK(guest.device->closes == 1);
    CHECK(ids_in(guest.registry.root().ports()) == 0);
    CHECK(ids_in(guest.registry.root().connections()) == 0);
}

TEST_CASE("a guest's wish for a socket is refused while nobody listens", "[vmbus]")
{
    BusGuest guest;
    guest.contact();
    guest.say(abi::TlConnectRequest{{Type::TlConnectRequest, 0}, instance_a, instance_b});
    auto const result = guest.answer<abi::TlConnectResult>(Type::TlConnectResult);
    CHECK(result.endpoint == instance_a);
    CHECK(result.service == instance_b);
    CHECK(result.status != 0);
}

TEST_CASE("whoever listens hears of a guest's wish for a socket", "[vmbus]")
{
    struct Listener final : SocketListener {
        std::vector<Guid> heard;
        void connect_requested(Guid const& endpoint, Guid const& service) override
        {
            heard.insert(heard.end(), {endpoint, service});
        }
    };
    BusGuest guest;
    auto const listener = std::make_shared<Listener>();
    guest.bus->set_socket_listener(listener);
    guest.bus->offer({.interface = interface_a, .instance = instance_a}, guest.device);
    guest.contact();
    guest.say(abi::TlConnectRequest{{Type::TlConnectRequest, 0}, instance_b, interface_a});
    CHECK(guest.hear().empty());
    CHECK(listener->heard == std::vector{instance_b, interface_a});

    guest.say(abi::TlConnectRequest{{Type::TlConnectRequest, 0}, instance_a, interface_a}); // a device's
    CHECK(guest.answer<abi::TlConnectResult>(Type::TlConnectResult).endpoint == instance_a);
    CHECK(listener->heard.size() == 2);
}

TEST_CASE("a GUID is written as it is read", "[vmbus]")
{
    CHECK(to_string(interface_a) == "ba6163d9-04a1-4d29-b605-72e2ffb1dc7f");
    CHECK(interface_a.bytes[0] == 0xd9);
    CHECK(interface_a.bytes[8] == 0xb6);
}
