/// A bus whose state was put into another one, with the guest's memory and its partition, goes on as the first.
#include "hv/testing/moved_bus.hpp"
#include "hv/testing/moved_conversation.hpp"

#include <functional>
#include <memory>

using namespace hv;
using namespace hv::testing;
using namespace hv::vmbus;

namespace {

constexpr OfferSpec spec_b{.interface = interface_a, .instance = instance_b};
constexpr OfferSpec sub_channel_of_a{.interface = interface_a, .instance = instance_a, .sub_channel = 1};

std::vector<std::byte> numbered(std::uint64_t number)
{
    std::vector<std::byte> out(24);
    std::memcpy(out.data(), &number, sizeof number);
    return out;
}

/// What a guest says and does that uses one device, and all that it hears.
struct Conversation {
    using Step = std::function<void(Conversation&)>;

    [[nodiscard]] BusGuest& here() const { return *journey.guest; }
    template <typename Message>
    void say(Message const& message) const
    {
        REQUIRE(here().say(message) == Status::Success);
    }
    void note(std::uint64_t value) { heard.push_back(numbered(value)); }

    void contact() const
    {
        abi::InitiateContact message{};
        message.header.type = Type::InitiateContact;
        message.version = abi::VmbusVersion::V5_3;
        message.sint = 2;
        say(message);
    }
    void share_rest(std::uint64_t page) const
    {
        std::vector<std::byte> message(sizeof(abi::GpadlBody) + 8);
        abi::GpadlBody const head{{Type::GpadlBody, 0}, 0, 7};
        std::memcpy(message.data(), &head, sizeof head);
        std::memcpy(message.data() + sizeof head, &page, 8);
        here().say_bytes(message);
    }
    void open() const
    {
        abi::OpenChannel message{};
        message.header.type = Type::OpenChannel;
        message.channel = 1;
        message.ring_gpadl = 1;
        message.target_vp = 1;
        message.downstream_page = 4;
        message.user_data[5] = std::byte{42};
        say(message);
    }
    void write_packets() const
    {
        for (std::uint64_t i = 1; i <= 3; ++i)
            REQUIRE(journey.to_host().write(abi::PacketType::DataInband, 100 + i, i));
    }
    void answer_packet()
    {
        Packet packet{};
        REQUIRE(here().device->channel->incoming().next(packet) == IncomingRing::Next::Taken);
        note(packet.transaction());
        REQUIRE(here().device->channel->outgoing().complete(packet.transaction(), {}));
    }
    void take_answers()
    {
        while (auto const packet = journey.to_guest().take())
            note(packet->descriptor.transaction);
    }
    void write_shared_page()
    {
        auto const gpadl = here().device->channel->gpadl(GpadlId{7});
        REQUIRE(gpadl);
        std::uint64_t const value = 0xABC;
        gpadl->write(page_size + 8, &value, sizeof value);
        note(here().guest.ram[32 * page_size + 8] == std::byte{0xBC});
    }
    void signal()
    {
        auto const signal = fast_call(here().guest, abi::CallCode::SignalEvent, 0x00F0'0001);
        note(static_cast<std::uint64_t>(signal));
        note(here().device->signals);
    }
    void tear_down(std::uint32_t gpadl) const { say(abi::GpadlTeardown{{Type::GpadlTeardown, 0}, 1, gpadl}); }
    void say_header(Type type) const { say(abi::ChannelMessageHeader{type, 0}); }

    Journey journey;
    std::vector<std::vector<std::byte>> heard;
};

std::vector<Conversation::Step> const steps{
    [](auto& to) { to.contact(); },
    [](auto& to) { to.say_header(Type::RequestOffers); },
    [](auto& to) { to.here().say_bytes(BusGuest::gpadl_message(1, 1, 8, BusGuest::ring_pages)); },
    [](auto& to) { to.here().say_bytes(BusGuest::gpadl_message(1, 7, 3, {30})); },
    [](auto& to) { to.share_rest(32); },
    [](auto& to) { to.share_rest(31); },
    [](auto& to) { to.open(); },
    [](auto& to) { to.note(std::to_integer<std::uint64_t>(to.here().device->channel->user_data()[5])); },
    [](auto& to) { to.write_packets(); },
    [](auto& to) { to.answer_packet(); },
    [](auto& to) { to.answer_packet(); },
    [](auto& to) { to.here().device->channel->publish(); },
    [](auto& to) { to.take_answers(); },
    [](auto& to) { to.note(to.here().flag_set(1, 1)); },
    [](auto& to) {
        to.say(abi::ModifyChannel{{Type::ModifyChannel, 0}, 1, 0});
    },
    [](auto& to) { to.note(to.here().flag_set(1, 0)); },
    [](auto& to) { to.here().device->channel->interrupt(); },
    [](auto& to) { to.note(to.here().flag_set(1, 0)); },
    [](auto& to) { to.write_shared_page(); },
    [](auto& to) { to.signal(); },
    [](auto& to) { to.here().close(1); },
    [](auto& to) { to.tear_down(1); },
    [](auto& to) { to.tear_down(7); },
    [](auto& to) { to.say_header(Type::Unload); },
    [](auto& to) { to.say_header(Type::RequestOffers); }, // to nobody
};

/// All that the guest hears. Each step has two parts, because nobody has looked yet at what the guest says in one.
Heard<std::vector<std::byte>> conversation(std::size_t move_before)
{
    Conversation to;
    auto const hear = [&to] {
        for (auto const& message : to.here().hear())
            to.heard.push_back(message);
    };
    std::vector<std::function<void()>> parts;
    for (auto const& step : steps) {
        parts.emplace_back([&] { step(to); });
        parts.emplace_back(hear);
    }
    auto const taken = take_steps(parts, move_before, [&] { to.journey.go_on_elsewhere(); });
    return {to.heard, taken};
}

abi::OfferChannel offer_in(std::vector<std::byte> const& message)
{
    abi::OfferChannel offer{};
    REQUIRE(message.size() == sizeof offer);
    std::memcpy(&offer, message.data(), sizeof offer);
    CHECK(offer.header.type == Type::OfferChannel);
    return offer;
}

} // namespace

TEST_CASE("a bus goes on elsewhere at any point of the conversation", "[vmbus][state]")
{
    check_moves_anywhere(conversation, 21);
}

TEST_CASE("a channel that was open is opened at rest elsewhere, and one that was not stays closed", "[vmbus][state]")
{
    Journey journey;
    bool const open = GENERATE(false, true);
    if (open) {
        journey.guest->contact();
        REQUIRE(journey.guest->offers().size() == 1);
        REQUIRE(journey.guest->share(1, 1, BusGuest::ring_pages) == 0);
        REQUIRE(journey.guest->open(1) == 0);
        journey.guest->device->signals = 17;
    }
    journey.go_on_elsewhere();
    CHECK(journey.guest->device->opens == (open ? 1 : 0));
    CHECK(journey.guest->device->opened_at_rest == open);
    CHECK(journey.guest->device->signals == (open ? 17 : 0));
    CHECK_FALSE(journey.guest->device->at_rest);
}

TEST_CASE("messages on their way in either direction go along, in their order", "[vmbus][state]")
{
    Journey journey;
    journey.guest->contact();
    REQUIRE(journey.guest->offers().size() == 1);
    constexpr std::uint32_t count = 60;
    std::uint32_t said = 0;
    while (said < count && journey.guest->say_bytes(BusGuest::gpadl_message(1, said + 1, 1, {30})) == Status::Success)
        ++said;
    REQUIRE(said == count);
    // As many are answered as one lets wait; of those a slot and a port take seventeen.
    journey.guest->executor->crank();
    CHECK(journey.told("answers_waiting") == "32");
    CHECK(journey.told("messages_waiting") != "0");
    journey.go_on_elsewhere();
    CHECK(journey.told("gpadls") != "0");
    auto const created = journey.guest->hear<abi::GpadlCreated>(Type::GpadlCreated);
    std::vector<abi::GpadlCreated> all = created;
    for (unsigned round = 0; round < 50 && all.size() < count; ++round) {
        journey.guest->executor->advance(std::chrono::milliseconds{100});
        for (auto const& more : journey.guest->hear<abi::GpadlCreated>(Type::GpadlCreated))
            all.push_back(more);
    }
    REQUIRE(all.size() == count);
    for (std::uint32_t i = 0; i < count; ++i) {
        CHECK(all[i].gpadl == i + 1);
        CHECK(all[i].status == 0);
    }
}

TEST_CASE("memory that was torn down is the guest's elsewhere once its device uses it no more", "[vmbus][state]")
{
    Journey journey;
    journey.guest->contact();
    REQUIRE(journey.guest->offers().size() == 1);
    REQUIRE(journey.guest->share(1, 1, BusGuest::ring_pages) == 0);
    REQUIRE(journey.guest->open(1) == 0);
    REQUIRE(journey.guest->share(1, 2, {40, 41}) == 0);
    journey.guest->device->used = journey.guest->device->channel->gpadl(GpadlId{2});
    journey.guest->say(abi::GpadlTeardown{{Type::GpadlTeardown, 0}, 1, 2});
    REQUIRE(journey.guest->hear().empty());
    bool const used = GENERATE(false, true);
    journey.go_on_elsewhere([&](BusGuest& there) {
        if (used) there.device->gpadl = GpadlId{2};
    });
    CHECK((journey.guest->device->used != nullptr) == used);
    if (used) {
        CHECK(journey.guest->hear().empty());
        CHECK(journey.guest->device->used->page(1) == journey.guest->guest.ram.get() + 41 * page_size);
        CHECK_FALSE(journey.guest->device->channel->gpadl(GpadlId{2}));
        journey.guest->device->used.reset();
    }
    CHECK(journey.guest->answer<abi::GpadlTorndown>(Type::GpadlTorndown).gpadl == 2);
}

TEST_CASE("sub-channels come from the device behind the primary channel", "[vmbus][state]")
{
    Journey journey;
    journey.guest->contact();
    REQUIRE(journey.guest->offers().size() == 1);
    REQUIRE(journey.guest->share(1, 1, BusGuest::ring_pages) == 0);
    REQUIRE(journey.guest->open(1) == 0);
    journey.guest->bus->offer(sub_channel_of_a, journey.guest->device->sub_channels[0]);
    SECTION("one that the guest has opened")
    {
        REQUIRE(journey.guest->hear().size() == 1);
        REQUIRE(journey.guest->share(2, 2, {40, 41, 42, 43}) == 0);
        REQUIRE(journey.guest->open(2, 2, 0, 2) == 0);
        journey.go_on_elsewhere();
        CHECK(journey.guest->hear().empty());
        auto const& device = *journey.guest->device->sub_channels[0];
        REQUIRE(device.channel);
        CHECK(device.opened_at_rest);
        CHECK_FALSE(device.at_rest);
        device.channel->interrupt();
        CHECK(journey.guest->flag_set(2, 0));
    }
    SECTION("one that the bus had not come to offer")
    {
        journey.go_on_elsewhere();
        auto const heard = journey.guest->hear();
        REQUIRE(heard.size() == 1);
        CHECK(offer_in(heard[0]).sub_channel == 1);
        CHECK(offer_in(heard[0]).channel == 2);
    }
    SECTION("one that the device elsewhere does not have")
    {
        REQUIRE(journey.guest->hear().size() == 1);
        journey.go_on_elsewhere([](BusGuest& there) { there.device->sub_channels.clear(); });
        CHECK(journey.guest->answer<abi::ChannelMessage>(Type::RescindChannelOffer).channel == 2);
    }
}

TEST_CASE("a guest hears elsewhere of devices that are gone and of others that have come", "[vmbus][state]")
{
    Journey journey;
    auto const other = std::make_shared<RecordingDevice>();
    journey.guest->bus->offer(spec_b, other);
    journey.guest->contact();
    REQUIRE(journey.guest->offers().size() == 2);
    auto const instance_c = guid("00000003-0000-8899-0000-000000000000");
    journey.go_on_elsewhere([&](BusGuest& there) {
        there.bus->offer({.interface = interface_a, .instance = instance_c}, std::make_shared<RecordingDevice>());
    });
    auto const heard = journey.guest->hear();
    REQUIRE(heard.size() == 2);
    abi::ChannelMessage rescinded{};
    std::memcpy(&rescinded, heard[0].data(), sizeof rescinded);
    CHECK(rescinded.header.type == Type::RescindChannelOffer);
    CHECK(rescinded.channel == 2);
    CHECK(offer_in(heard[1]).instance == instance_c);
    CHECK(offer_in(heard[1]).channel == 3); // the guest has yet to release the second one
}

TEST_CASE("a reset that waited for a device is over elsewhere", "[vmbus][state]")
{
    Journey journey;
    journey.guest->device->lingers = true;
    journey.guest->contact();
    REQUIRE(journey.guest->offers().size() == 1);
    REQUIRE(journey.guest->share(1, 1, BusGuest::ring_pages) == 0);
    REQUIRE(journey.guest->open(1) == 0);
    bool const unload = GENERATE(false, true);
    if (unload) {
        journey.guest->say(abi::ChannelMessageHeader{Type::Unload, 0});
    } else {
        abi::InitiateContact message{};
        message.header.type = Type::InitiateContact;
        message.version = abi::VmbusVersion::V5_2;
        message.sint = 2;
        journey.guest->say(message);
    }
    REQUIRE(journey.guest->hear().empty());
    journey.go_on_elsewhere();
    if (unload) {
        (void)journey.guest->answer<abi::ChannelMessageHeader>(Type::UnloadResponse);
    } else {
        CHECK(journey.guest->answer<abi::VersionResponse>(Type::VersionResponse).supported == 1);
    }
    CHECK(journey.guest->device->opens == 0);
}

TEST_CASE("a bus whose saved state is a lie harms nobody, and starts anew", "[vmbus][state][hostile]")
{
    Journey journey;
    journey.quiesce();
    LyingState liar;
    journey.guest->bus->visit(liar);
    journey.resume();
    CHECK(journey.guest->hear().empty());
    CHECK(journey.told("gpadls") == "0");
    CHECK(journey.guest->contact().supported == 1);
    REQUIRE(journey.guest->offers().size() == 1);
    REQUIRE(journey.guest->share(1, 1, BusGuest::ring_pages) == 0);
    CHECK(journey.guest->open(1) == 0);
}
