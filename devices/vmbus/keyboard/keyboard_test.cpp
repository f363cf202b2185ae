#include "devices/testing/vmbus_channel.hpp"
#include "devices/vmbus/keyboard/keyboard.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/saved_state.hpp"

using namespace devices::vmbus;
using keyboard::MessageType;
using Stroke = Keyboard::Stroke;

namespace {

struct Setting {
    hv::testing::CrankedExecutor executor;
    std::shared_ptr<Keyboard> device = std::make_shared<Keyboard>(executor);
    std::shared_ptr<devices::testing::DeviceChannel> channel;

    void open(std::size_t pages = 2)
    {
        channel = std::make_shared<devices::testing::DeviceChannel>(pages);
        channel->connect(device.get());
        device->open(channel);
    }

    template <typename T>
    void send(T const& message, std::uint16_t flags = 0) const
    {
        REQUIRE(channel->send(std::as_bytes(std::span{&message, 1}), 7, flags));
    }

    /// Opens the channel and agrees on the version.
    void start()
    {
        open();
        send(keyboard::ProtocolRequest{MessageType::ProtocolRequest, keyboard::version_1_0});
        REQUIRE(next<keyboard::ProtocolResponse>().accepted == 1);
    }

    template <typename T>
    T next() const
    {
        auto const packet = channel->receive();
        REQUIRE(packet);
        REQUIRE(packet->descriptor.type == hv::abi::PacketType::DataInband);
        return packet->as<T>();
    }
};

} // namespace

TEST_CASE("the keyboard speaks version 1.0", "[keyboard]")
{
    Setting s;
    s.open();
    auto const version = GENERATE(std::uint32_t{0x10000}, std::uint32_t{0x10001}, std::uint32_t{0x20000});
    s.send(keyboard::ProtocolRequest{MessageType::ProtocolRequest, version},
           hv::abi::packet_flag_completion_requested);
    auto const response = s.next<keyboard::ProtocolResponse>();
    CHECK(response.type == MessageType::ProtocolResponse);
    CHECK(response.accepted == (version == 0x10000 ? 1 : 0));
    CHECK(s.channel->interrupts == 1);

    auto const completion = s.channel->receive(); // Linux asks for one
    REQUIRE(completion);
    CHECK(completion->descriptor.type == hv::abi::PacketType::Completion);
    CHECK(completion->descriptor.transaction == 7);
    CHECK(s.device->strike(ScanCode{0x1E}, Stroke::Press) == (version == 0x10000));
}

TEST_CASE("keys are pressed and released", "[keyboard]")
{
    Setting s;
    s.start();
    CHECK(s.device->strike(ScanCode{0x1E}, Stroke::Press));
    auto stroke = s.next<keyboard::Keystroke>();
    CHECK(stroke.type == MessageType::Event);
    CHECK(stroke.make_code == 0x1E);
    CHECK(stroke.flags == 0);

    CHECK(s.device->strike(ScanCode{0xE01D}, Stroke::Release));
    stroke = s.next<keyboard::Keystroke>();
    CHECK(stroke.make_code == 0x1D);
    CHECK(stroke.flags == 0x6);

    CHECK(s.device->strike(ScanCode{0xE11D}, Stroke::Press));
    CHECK(s.next<keyboard::Keystroke>().flags == 0x8);
}

TEST_CASE("strokes that nobody takes are lost", "[keyboard]")
{
    Setting s;
    CHECK_FALSE(s.device->strike(ScanCode{1}, Stroke::Press)); // no channel
    s.open();
    CHECK_FALSE(s.device->strike(ScanCode{1}, Stroke::Press)); // no version
    s.start();
    unsigned struck = 0;
    while (s.device->strike(ScanCode{1}, Stroke::Press))
        ++struck;
    CHECK(struck > 100);
    while (s.channel->receive()) {
    }
    CHECK(s.device->strike(ScanCode{1}, Stroke::Release));
    s.device->close();
    CHECK_FALSE(s.device->strike(ScanCode{1}, Stroke::Press));
}

TEST_CASE("a request that came before the channel was open is answered", "[keyboard]")
{
    Setting s;
    s.channel = std::make_shared<devices::testing::DeviceChannel>(2);
    s.send(keyboard::ProtocolRequest{MessageType::ProtocolRequest, keyboard::version_1_0});
    s.device->open(s.channel);
    CHECK(s.next<keyboard::ProtocolResponse>().accepted == 1);
}

TEST_CASE("what makes no sense to a keyboard is passed over", "[keyboard][hostile]")
{
    Setting s;
    s.start();
    s.send(keyboard::Indicators{MessageType::Indicators, 4, 0});
    s.send(std::uint32_t{99});
    s.send(std::uint8_t{99});
    CHECK(s.channel->send({hv::abi::PacketType::Completion, 0, 0, 0, 0}, {}, {}));
    CHECK(s.channel->to_host.used() == 0);
    CHECK_FALSE(s.channel->receive());
    CHECK(s.device->strike(ScanCode{0x1E}, Stroke::Press));
}

TEST_CASE("requests without room for an answer are dropped", "[keyboard][hostile]")
{
    Setting s;
    s.start();
    keyboard::ProtocolRequest const request{MessageType::ProtocolRequest, keyboard::version_1_0};
    for (unsigned i = 0; i < 1000; ++i)
        s.send(request, hv::abi::packet_flag_completion_requested);
    s.executor.crank();
    CHECK(s.channel->to_host.used() == 0);
    s.channel->to_host.write_index() = 0x1234'5678;
    s.device->signalled();
    s.device->close();
    s.start();
}

TEST_CASE("a keyboard goes on elsewhere with the guest's driver", "[keyboard][state]")
{
    Setting s;
    s.start();
    REQUIRE(s.device->strike(ScanCode{0x1E}, Stroke::Press));
    s.device->quiesce({});
    s.send(keyboard::Indicators{MessageType::Indicators, 5, 0});
    hv::testing::SavedState saved;
    saved.save(*s.device);

    auto const second = std::make_shared<Keyboard>(s.executor);
    second->quiesce({});
    second->open(s.channel);
    saved.restore(*second);
    CHECK_FALSE(second->strike(ScanCode{0x1E}, Stroke::Press));
    second->resume();
    s.executor.crank();
    CHECK(s.next<keyboard::Keystroke>().make_code == 0x1E);
    CHECK(second->strike(ScanCode{0x1F}, Stroke::Press));
    CHECK(s.next<keyboard::Keystroke>().make_code == 0x1F);
    hv::testing::SavedState after;
    after.save(*second);
    CHECK(after.fields().at("indicators").front() == 5);
    CHECK(after.fields().at("strokes").front() == 2);
}

TEST_CASE("a keyboard whose saved state is a lie has no driver to write to", "[keyboard][state][hostile]")
{
    Setting s;
    hv::testing::LyingState liar;
    s.device->visit(liar);
    CHECK_FALSE(s.device->strike(ScanCode{0x1E}, Stroke::Press));
}
