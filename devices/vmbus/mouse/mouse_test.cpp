#include "devices/testing/vmbus_channel.hpp"
#include "devices/vmbus/channel/pipe.hpp"
#include "devices/vmbus/mouse/mouse.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/saved_state.hpp"

using namespace devices::vmbus;
using mouse::MessageType;

namespace {

template <typename Body>
struct [[gnu::packed]] Message {
    PipeHeader pipe;
    mouse::Header header;
    Body body;
};

struct Setting {
    hv::testing::CrankedExecutor executor;
    std::shared_ptr<Mouse> device = std::make_shared<Mouse>(executor);
    std::shared_ptr<devices::testing::DeviceChannel> channel;

    void open(std::size_t pages = 2)
    {
        channel = std::make_shared<devices::testing::DeviceChannel>(pages);
        channel->connect(device.get());
        device->open(channel);
    }

    template <typename Body>
    void send(MessageType type, Body const& body, std::uint16_t flags = 0) const
    {
        Message<Body> const message{{pipe_data, sizeof(mouse::Header) + sizeof body}, {type, sizeof body}, body};
        REQUIRE(channel->send(std::as_bytes(std::span{&message, 1}), 7, flags));
    }

    template <typename Body>
    Body next(MessageType type) const
    {
        auto const packet = channel->receive();
        REQUIRE(packet);
        auto const message = packet->as<Message<Body>>();
        CHECK(message.pipe.type == pipe_data);
        CHECK(message.pipe.size == sizeof(mouse::Header) + sizeof(Body));
        CHECK(message.header.type == type);
        CHECK(message.header.size == sizeof(Body));
        return message.body;
    }

    /// As Linux does.
    void start()
    {
        open();
        send(MessageType::ProtocolRequest, mouse::ProtocolRequest{mouse::version_2_0});
        REQUIRE(next<mouse::ProtocolResponse>(MessageType::ProtocolResponse).accepted == 1);
        (void)next<mouse::DeviceInfo>(MessageType::DeviceInfo);
        send(MessageType::DeviceInfoAck, std::uint8_t{0});
    }
};

} // namespace

TEST_CASE("the mouse speaks version 2.0 and says what it is", "[mouse]")
{
    Setting s;
    s.open();
    s.send(MessageType::ProtocolRequest, mouse::ProtocolRequest{mouse::version_2_0},
           hv::abi::packet_flag_completion_requested);
    auto const response = s.next<mouse::ProtocolResponse>(MessageType::ProtocolResponse);
    CHECK(+response.version == mouse::version_2_0);
    CHECK(+response.accepted == 1);
    auto const info = s.next<mouse::DeviceInfo>(MessageType::DeviceInfo);
    CHECK(+info.attributes.vendor == 0x045E);
    CHECK(+info.descriptor.length == 9);
    CHECK(+info.descriptor.report_length == 67);
    CHECK(+info.report[14] == 0x29); // what Linux mends on old hosts
    CHECK(s.channel->receive()->descriptor.type == hv::abi::PacketType::Completion);

    CHECK_FALSE(s.device->report({})); // nobody knows yet what it means
    s.send(MessageType::DeviceInfoAck, std::uint8_t{0});
    CHECK(s.device->report({1, 100, mouse::Report::most, -1}));
    auto const report = s.next<mouse::Report>(MessageType::InputReport);
    CHECK(+report.buttons == 1);
    CHECK(+report.x == 100);
    CHECK(+report.y == 0x7FFF);
    CHECK(+report.wheel == -1);
}

TEST_CASE("a mouse of another version is refused", "[mouse]")
{
    Setting s;
    s.open();
    s.send(MessageType::ProtocolRequest, mouse::ProtocolRequest{1U << 16});
    CHECK(s.next<mouse::ProtocolResponse>(MessageType::ProtocolResponse).accepted == 0);
    CHECK_FALSE(s.channel->receive());
    s.send(MessageType::DeviceInfoAck, std::uint8_t{0});
    CHECK_FALSE(s.device->report({}));
}

TEST_CASE("reports that nobody takes are lost", "[mouse]")
{
    Setting s;
    CHECK_FALSE(s.device->report({}));
    s.start();
    unsigned reported = 0;
    while (s.device->report({}))
        ++reported;
    CHECK(reported > 100);
    while (s.channel->receive()) {
    }
    CHECK(s.device->report({}));
    s.device->close();
    CHECK_FALSE(s.device->report({}));
}

TEST_CASE("what makes no sense to a mouse is passed over", "[mouse][hostile]")
{
    Setting s;
    s.start();
    s.send(MessageType{77}, std::uint32_t{0});
    s.send(MessageType::InputReport, std::uint64_t{0});
    CHECK(s.channel->send(std::as_bytes(std::span{"short"})));
    CHECK(s.channel->send({hv::abi::PacketType::Completion, 0, 0, 0, 0}, {}, {}));
    CHECK(s.channel->to_host.used() == 0);
    CHECK_FALSE(s.channel->receive());
    CHECK(s.device->report({}));
}

TEST_CASE("a mouse goes on elsewhere with the guest's driver", "[mouse][state]")
{
    Setting s;
    s.start();
    s.device->quiesce({});
    CHECK_FALSE(s.device->report({}));
    hv::testing::SavedState saved;
    saved.save(*s.device);

    auto const second = std::make_shared<Mouse>(s.executor);
    second->quiesce({});
    second->open(s.channel);
    saved.restore(*second);
    second->resume();
    CHECK(second->report({2, 3, 4, 0}));
    CHECK(s.next<mouse::Report>(MessageType::InputReport).buttons == 2);

    Setting closed;
    hv::testing::LyingState liar;
    closed.device->visit(liar);
    CHECK_FALSE(closed.device->report({}));
}
