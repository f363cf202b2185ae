#include "devices/testing/vmbus_channel.hpp"
#include "devices/vmbus/channel/pipe.hpp"
#include "devices/vmbus/video/resolutions.hpp"
#include "devices/vmbus/video/video.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/saved_state.hpp"

#include <numeric>

using namespace devices::vmbus;
using devices::display::Mode;
using devices::display::Rectangle;
using devices::display::Screen;
using video::MessageType;

namespace {

constexpr std::uint64_t memory_at = 0xF000'0000;

template <typename Body>
struct [[gnu::packed]] Message {
    PipeHeader pipe;
    video::Header header;
    Body body;
};

struct Setting {
    hv::testing::CrankedExecutor executor;
    std::vector<std::byte> memory = std::vector<std::byte>(std::size_t{8} << 20);
    std::shared_ptr<Screen> screen = std::make_shared<Screen>(memory);
    std::vector<std::uint64_t> places;
    std::shared_ptr<Video> device = make();
    std::shared_ptr<devices::testing::DeviceChannel> channel;

    std::shared_ptr<Video> make()
    {
        auto made = std::make_shared<Video>(executor, screen, [this](std::uint64_t address) {
            if (address % hv::page_size != 0) return false;
            places.push_back(address);
            return true;
        });
        screen->attach(made);
        return made;
    }

    void open(std::size_t pages = 2)
    {
        channel = std::make_shared<devices::testing::DeviceChannel>(pages);
        channel->connect(device.get());
        device->open(channel);
    }

    template <typename Body>
    void send(MessageType type, Body const& body, std::span<std::byte const> rest = {}) const
    {
        Message<Body> const message{{pipe_data, 0}, {type, 0}, body};
        auto const head = std::as_bytes(std::span{&message, 1});
        std::vector<std::byte> bytes{head.begin(), head.end()};
        bytes.insert(bytes.end(), rest.begin(), rest.end());
        REQUIRE(channel->send(bytes));
    }
    void send(MessageType type) const
    {
        struct {
            PipeHeader pipe;
            video::Header header;
        } const message{{pipe_data, 0}, {type, 0}};
        REQUIRE(channel->send(std::as_bytes(std::span{&message, 1})));
    }

    template <typename Body>
    Body next(MessageType type) const
    {
        auto const packet = channel->receive();
        REQUIRE(packet);
        auto const message = packet->as<Message<Body>>();
        CHECK(message.pipe.type == pipe_data);
        CHECK(message.pipe.size >= sizeof(video::Header) + sizeof(Body));
        CHECK(message.header.type == type);
        CHECK(message.header.size == message.pipe.size);
        return message.body;
    }

    void agree(std::uint16_t major = 3, std::uint16_t minor = 5)
    {
        open();
        send(MessageType::VersionRequest, video::VersionRequest{{major, minor}});
    }
    /// As Linux does, and then it shows 800 by 600 pixels.
    void start()
    {
        agree();
        REQUIRE(next<video::VersionResponse>(MessageType::VersionResponse).accepted != 0);
        send(MessageType::VramLocation, video::VramLocation{memory_at, 1, memory_at});
        REQUIRE(next<video::Acknowledgement>(MessageType::VramLocationAck).context == memory_at);
        show(situation());
        REQUIRE(next<video::Acknowledgement>(MessageType::SituationUpdateAck).context == 9);
        (void)next<video::FeatureChange>(MessageType::FeatureChange);
    }
    static video::Situation situation() { return {9, 1, 1, 0, 32, 800, 600, 3200}; }
    void show(video::Situation const& situation) const { send(MessageType::SituationUpdate, situation); }

    void draw(std::vector<video::DirtRectangle> const& all) const
    {
        send(MessageType::Dirt, video::Dirt{0, static_cast<std::uint8_t>(all.size())}, std::as_bytes(std::span{all}));
    }
};

} // namespace

TEST_CASE("the video device speaks versions 3.0 to 3.5", "[video]")
{
    Setting s;
    auto const [major, minor, known] =
        GENERATE(std::tuple{3, 0, true}, std::tuple{3, 2, true}, std::tuple{3, 5, true}, std::tuple{3, 6, false},
                 std::tuple{2, 0, false}, std::tuple{4, 0, false});
    s.agree(static_cast<std::uint16_t>(major), static_cast<std::uint16_t>(minor));
    auto const response = s.next<video::VersionResponse>(MessageType::VersionResponse);
    CHECK((response.accepted != 0) == known);
    CHECK(response.outputs == 1);
    CHECK(response.version.minor == minor);
    s.send(MessageType::BiosInfoRequest);
    CHECK(s.channel->receive().has_value() == known);
}

TEST_CASE("the offer says how much memory there is", "[video]")
{
    auto const offer = Video::offer();
    CHECK(offer.mmio_megabytes == 8);
    CHECK((offer.flags & hv::vmbus::channel_flags::named_pipe_mode) != 0);
    CHECK(offer.user_defined[0] == std::byte{4});
}

TEST_CASE("a guest is told of resolutions that fit, and of its monitor", "[video]")
{
    Setting s;
    s.start();
    s.send(MessageType::ResolutionRequest, video::ResolutionRequest{64});
    auto const packet = s.channel->receive();
    REQUIRE(packet);
    auto const response = packet->as<Message<video::ResolutionResponse>>().body;
    REQUIRE(response.count == video::resolutions().size());
    auto const at = sizeof(Message<video::ResolutionResponse>);
    for (std::size_t i = 0; i < response.count; ++i) {
        auto const one = packet->as<video::Resolution>(at + i * sizeof(video::Resolution));
        CHECK(Mode{one.width, one.height, one.width * 4U, 32, 0}.fits(s.memory.size()));
        if (i == response.preferred) CHECK(one.width == 1024);
    }
    CHECK(std::accumulate(std::begin(response.edid), std::end(response.edid), 0) % 256 == 0);

    s.send(MessageType::ResolutionRequest, video::ResolutionRequest{1});
    auto const short_list = s.next<video::ResolutionResponse>(MessageType::ResolutionResponse);
    CHECK(short_list.count == 1);
    CHECK(short_list.preferred == 0);
}

TEST_CASE("video memory is placed where the guest wants it, or not acknowledged", "[video]")
{
    Setting s;
    s.start();
    s.send(MessageType::VramLocation, video::VramLocation{1, 1, memory_at + 1});
    CHECK_FALSE(s.channel->receive());
    s.send(MessageType::VramLocation, video::VramLocation{2, 0, 77});
    CHECK(s.next<video::Acknowledgement>(MessageType::VramLocationAck).context == 2);
    CHECK(s.places == std::vector{memory_at});
}

TEST_CASE("a situation that is no picture is neither shown nor acknowledged", "[video][hostile]")
{
    Setting s;
    s.start();
    CHECK(s.screen->mode() == Mode{800, 600, 3200, 32, 0});
    auto bad = Setting::situation();
    switch (GENERATE(0, 1, 2, 3, 4, 5)) {
    case 0: bad.width = 0; break;
    case 1: bad.height = 100'000; break;
    case 2: bad.pitch = 3199; break;
    case 3: bad.depth = 8; break;
    case 4: bad.offset = 0xFFFF'F000; break;
    default: bad.outputs = 0; break;
    }
    s.show(bad);
    CHECK_FALSE(s.channel->receive());
    CHECK(s.screen->mode() == Mode{800, 600, 3200, 32, 0});
}

TEST_CASE("a guest tells what it draws while somebody looks", "[video]")
{
    Setting s;
    s.start();
    s.draw({{0, 0, 1, 1}});
    CHECK(s.screen->take().drawn.empty());

    s.screen->watch([] {});
    CHECK(s.next<video::FeatureChange>(MessageType::FeatureChange).dirt == 1);
    (void)s.screen->take();
    s.draw({{-5, -6, 10, 20}, {790, 590, 0x7FFF'FFFF, 0x7FFF'FFFF}, {20, 20, 10, 10}});
    CHECK(s.screen->take().drawn == std::vector{Rectangle{0, 0, 10, 20}, Rectangle{790, 590, 800, 600}});

    s.screen->watch({});
    CHECK(s.next<video::FeatureChange>(MessageType::FeatureChange).dirt == 0);
}

TEST_CASE("who looks before the guest shows anything is told of later", "[video]")
{
    Setting s;
    s.screen->watch([] {});
    s.agree();
    CHECK(s.next<video::VersionResponse>(MessageType::VersionResponse).accepted != 0);
    CHECK_FALSE(s.channel->receive());
    s.show(Setting::situation());
    (void)s.next<video::Acknowledgement>(MessageType::SituationUpdateAck);
    CHECK(s.next<video::FeatureChange>(MessageType::FeatureChange).dirt == 1);
}

TEST_CASE("a message with fewer rectangles than it says is used as far as it goes", "[video][hostile]")
{
    Setting s;
    s.start();
    s.screen->watch([] {});
    (void)s.screen->take();
    video::DirtRectangle const one{1, 1, 2, 2};
    s.send(MessageType::Dirt, video::Dirt{0, 255}, std::as_bytes(std::span{&one, 1}));
    CHECK(s.screen->take().drawn == std::vector{Rectangle{1, 1, 2, 2}});
    s.send(MessageType::Dirt, video::Dirt{1, 1}, std::as_bytes(std::span{&one, 1})); // no such output
    CHECK(s.screen->take().drawn.empty());
}

TEST_CASE("a pointer may come in parts, in colour or as masks", "[video]")
{
    Setting s;
    s.start();
    s.screen->watch([] {});
    (void)s.screen->take();

    std::vector<std::uint32_t> const pixels(std::size_t{96} * 96, 0xFF11'2233);
    auto const bytes = std::as_bytes(std::span{pixels});
    std::uint8_t part = 0;
    for (std::size_t at = 0; at < bytes.size(); at += 8000, ++part) {
        auto const some = bytes.subspan(at, std::min<std::size_t>(8000, bytes.size() - at));
        bool const last = at + 8000 >= bytes.size();
        s.send(MessageType::PointerShape, video::PointerShape{last ? video::last_part : part, 1, 96, 96, 5, 200},
               some);
        CHECK(s.screen->take().pointer.has_value() == last);
    }
    std::array<std::uint8_t, 4> const masks{0x7F, 0x3F, 0x80,
                                            0x40}; // two rows of what stays, two of what is inverted
    s.send(MessageType::PointerShape, video::PointerShape{video::last_part, 0, 2, 2, 0, 0},
           std::as_bytes(std::span{masks}));
    auto const pointer = s.screen->take().pointer;
    REQUIRE(pointer);
    CHECK(pointer->pixels == std::vector<std::uint32_t>{0xFFFF'FFFF, 0, 0xFF00'0000, 0xFFFF'FFFF});

    auto const huge = GENERATE(video::PointerShape{video::last_part, 1, 97, 1, 0, 0},
                               video::PointerShape{video::last_part, 1, ~0U, ~0U, 0, 0},
                               video::PointerShape{video::last_part, 0, 96, 96, 0, 0});
    s.send(MessageType::PointerShape, huge, std::as_bytes(std::span{masks}));
    CHECK_FALSE(s.screen->take().pointer);
}

TEST_CASE("what makes no sense to the video device is passed over", "[video][hostile]")
{
    Setting s;
    s.start();
    s.send(MessageType{99}, std::uint64_t{0});
    s.send(MessageType::VersionResponse, std::uint64_t{0});
    s.send(MessageType::SituationUpdate);
    s.send(MessageType::VramLocation);
    s.send(MessageType::Dirt);
    CHECK(s.channel->send(std::as_bytes(std::span{"short"})));
    CHECK(s.channel->send({hv::abi::PacketType::Completion, 0, 0, 0, 0}, {}, {}));
    CHECK(s.channel->to_host.used() == 0);
    CHECK_FALSE(s.channel->receive());
    s.send(MessageType::CapabilityRequest);
    CHECK(s.next<video::CapabilityResponse>(MessageType::CapabilityResponse).locks_on_disconnect == 0);
}

TEST_CASE("requests for which there is no room are dropped, and wishes are told later", "[video][hostile]")
{
    Setting s;
    s.start();
    for (unsigned i = 0; i < 1000; ++i)
        s.send(MessageType::CapabilityRequest);
    s.executor.crank();
    for (unsigned i = 0; i < 1000; ++i)
        s.screen->watch(i % 2 == 0 ? std::function<void()>{} : [] {});
    unsigned answers = 0;
    std::optional<bool> wanted;
    auto const read_all = [&] {
        while (auto const packet = s.channel->receive()) {
            auto const message = packet->as<Message<video::FeatureChange>>();
            if (message.header.type == MessageType::FeatureChange) wanted = message.body.dirt != 0;
            ++answers;
        }
    };
    read_all();
    s.device->signalled();
    s.executor.crank();
    read_all();
    CHECK(answers < 1000);
    CHECK(wanted == true);
}

TEST_CASE("a picture stays when its driver goes, and goes on elsewhere", "[video][state]")
{
    Setting s;
    s.start();
    s.device->quiesce({});
    hv::testing::SavedState saved;
    saved.save(*s.device);
    s.screen->reset();
    s.places.clear();

    auto const second = s.make();
    second->quiesce({});
    second->open(s.channel);
    saved.restore(*second);
    CHECK(s.places == std::vector{memory_at});
    CHECK(s.screen->mode().width == 800);
    s.screen->watch([] {});
    CHECK_FALSE(s.channel->receive());
    second->resume();
    CHECK(s.next<video::FeatureChange>(MessageType::FeatureChange).dirt == 1);
    second->close();
    CHECK(s.screen->mode().width == 800);

    hv::testing::LyingState liar;
    second->visit(liar);
}
