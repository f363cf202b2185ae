#include "hv/testing/catch.hpp"
#include "hv/testing/vmbus_guest.hpp"
#include "hv/vmbus/ring.hpp"

#include <array>
#include <cstdint>
#include <vector>

using namespace hv;
using namespace hv::testing;
using vmbus::IncomingRing;
using vmbus::Packet;

namespace {

constexpr auto inband = abi::PacketType::DataInband;

std::vector<std::byte> pattern(std::size_t size, unsigned seed = 1)
{
    std::vector<std::byte> out(size);
    for (std::size_t i = 0; i < size; ++i)
        out[i] = static_cast<std::byte>(i * 7 + seed);
    return out;
}

abi::PacketDescriptor descriptor(std::uint64_t transaction)
{
    return {inband, 0, 0, 0, transaction};
}

} // namespace

TEST_CASE("a packet that the guest writes comes out with header and payload apart", "[vmbus]")
{
    TestChannel channel;
    auto const header = pattern(24, 3);
    auto const payload = pattern(40);
    REQUIRE(channel.to_host().write(descriptor(77), header, payload));

    Packet packet;
    REQUIRE(channel.incoming().next(packet) == IncomingRing::Next::Taken);
    CHECK(packet.transaction() == 77);
    CHECK(packet.type() == inband);
    CHECK_FALSE(packet.wants_completion());
    CHECK(std::ranges::equal(packet.header, header));
    CHECK(std::ranges::equal(packet.payload, payload));
    CHECK(channel.incoming().next(packet) == IncomingRing::Next::Empty);
}

TEST_CASE("packets pass the end of a ring in both directions, and room comes back", "[vmbus]")
{
    TestChannel channel;
    auto const size = GENERATE(as<std::size_t>{}, 8, 24, 1000, 5000);
    Packet packet;
    for (std::uint64_t i = 0; i < 3 * 4 * page_size / size; ++i) {
        auto const payload = pattern(size, static_cast<unsigned>(i));
        REQUIRE(channel.to_host().write(descriptor(i), {}, payload));
        REQUIRE(channel.incoming().next(packet) == IncomingRing::Next::Taken);
        REQUIRE(packet.transaction() == i);
        REQUIRE(std::ranges::equal(packet.payload, payload));

        REQUIRE(channel.outgoing().write(inband, 0, i, payload));
        channel.publish();
        auto const got = channel.to_guest().take();
        REQUIRE(got);
        REQUIRE(got->descriptor.transaction == i);
        REQUIRE(got->payload == payload);
    }
    CHECK(channel.to_host().used() == 0);
    CHECK(channel.to_guest().used() == 0);
}

TEST_CASE("a payload of several parts is padded to eight bytes", "[vmbus]")
{
    TestChannel channel;
    auto const first = pattern(3);
    auto const second = pattern(6, 9);
    REQUIRE(channel.outgoing().write({inband, 0, 0, 1, 5}, {}, {first, second}));
    channel.publish();

    auto const got = channel.to_guest().take();
    REQUIRE(got);
    CHECK(got->descriptor.length8 == 4); // sixteen bytes of descriptor, sixteen of payload
    CHECK(got->payload.size() == 16);
    CHECK(std::ranges::equal(std::span{got->payload}.first(3), first));
    CHECK(std::ranges::equal(std::span{got->payload}.subspan(3, 6), second));
    CHECK(got->payload[9] == std::byte{0});
}

TEST_CASE("the guest sees nothing before it is published", "[vmbus]")
{
    TestChannel channel;
    REQUIRE(channel.outgoing().complete(1, {}));
    CHECK(channel.to_guest().used() == 0);
    channel.publish();
    CHECK(channel.to_guest().used() > 0);
}

TEST_CASE("the guest is interrupted for what it may have stopped waiting for, and not otherwise", "[vmbus]")
{
    TestChannel channel;
    REQUIRE(channel.outgoing().complete(1, {}));
    channel.publish();
    CHECK(channel.interrupts() == 1);

    SECTION("it has not taken the last one yet")
    {
        REQUIRE(channel.outgoing().complete(2, {}));
        channel.publish();
        CHECK(channel.interrupts() == 1);
    }
    SECTION("it has taken all")
    {
        REQUIRE(channel.to_guest().take());
        REQUIRE(channel.outgoing().complete(2, {}));
        channel.publish();
        CHECK(channel.interrupts() == 2);
    }
    SECTION("it has masked interrupts")
    {
        REQUIRE(channel.to_guest().take());
        channel.to_guest().interrupt_mask() = 1;
        REQUIRE(channel.outgoing().complete(2, {}));
        channel.publish();
        CHECK(channel.interrupts() == 1);
    }
    SECTION("there is nothing new")
    {
        REQUIRE(channel.to_guest().take());
        channel.publish();
        CHECK(channel.interrupts() == 1);
    }
}

TEST_CASE("a full ring takes no packet, says how much room it waits for, and goes on when there is some", "[vmbus]")
{
    TestChannel channel;
    auto const payload = pattern(1000);
    std::uint64_t written = 0;
    while (channel.outgoing().write(inband, 0, written, payload))
        ++written;
    channel.publish();
    CHECK(written == 4 * page_size / 1024 - 1); // the last bytes stay empty
    CHECK_FALSE(channel.outgoing().has_room(1000));
    CHECK(channel.to_guest().pending_send_size() == 1024);
    CHECK((channel.to_guest().feature_bits() & abi::ring_feature_pending_send_size) != 0);

    REQUIRE(channel.to_guest().take());
    REQUIRE(channel.to_guest().take());
    CHECK(channel.outgoing().has_room(1000));
    CHECK(channel.outgoing().write(inband, 0, written, payload));
    CHECK(channel.to_guest().pending_send_size() == 0);
}

TEST_CASE("a packet that fits no ring is refused without waiting for room", "[vmbus]")
{
    TestChannel channel;
    CHECK_FALSE(channel.outgoing().write(inband, 0, 1, pattern(4 * page_size)));
    CHECK(channel.to_guest().pending_send_size() == 0);
}

TEST_CASE("a guest that waits for room is interrupted once there is enough", "[vmbus]")
{
    TestChannel channel;
    auto const payload = pattern(1000);
    while (channel.to_host().write(descriptor(1), {}, payload)) {
    }
    channel.to_host().pending_send_size() = 4000;

    Packet packet;
    for (int i = 0; i < 2; ++i) {
        REQUIRE(channel.incoming().next(packet) == IncomingRing::Next::Taken);
        channel.publish();
        CHECK(channel.interrupts() == 0);
    }
    REQUIRE(channel.incoming().next(packet) == IncomingRing::Next::Taken);
    channel.publish();
    CHECK(channel.interrupts() == 1);
    REQUIRE(channel.incoming().next(packet) == IncomingRing::Next::Taken);
    channel.publish();
    CHECK(channel.interrupts() == 1);
}

TEST_CASE("before a ring is called empty, its guest knows that all was taken, and so signals what it writes next",
          "[vmbus]")
{
    TestChannel channel;
    REQUIRE(channel.to_host().write(descriptor(1), {}, pattern(8)));
    Packet packet;
    REQUIRE(channel.incoming().next(packet) == IncomingRing::Next::Taken);
    REQUIRE(channel.incoming().next(packet) == IncomingRing::Next::Empty);
    // As hv_need_to_signal has it: the ring was empty before.
    CHECK(channel.to_host().read_index() == channel.to_host().write_index());
}

TEST_CASE("a guest that waits for room is interrupted also when that was given back by looking", "[vmbus]")
{
    TestChannel channel;
    while (channel.to_host().write(descriptor(1), {}, pattern(1000))) {
    }
    channel.to_host().pending_send_size() = 4000;
    Packet packet;
    while (channel.incoming().next(packet) == IncomingRing::Next::Taken) {
    }
    channel.publish();
    CHECK(channel.interrupts() == 1);
}

TEST_CASE("signals are masked in the ring that the guest writes", "[vmbus]")
{
    TestChannel channel;
    channel.incoming().mask_signals(true);
    CHECK(channel.to_host().interrupt_mask() == 1);
    channel.incoming().mask_signals(false);
    CHECK(channel.to_host().interrupt_mask() == 0);
}

TEST_CASE("nonsense in a ring ends its reading until it is opened anew", "[vmbus]")
{
    TestChannel channel;
    auto const ring = channel.to_host();
    auto const with = [&](std::uint16_t offset8, std::uint16_t length8, std::size_t bytes) {
        std::vector<std::byte> raw(bytes);
        abi::PacketDescriptor const d{inband, offset8, length8, 0, 0};
        std::memcpy(raw.data(), &d, std::min(bytes, sizeof d));
        REQUIRE(ring.write_raw(raw));
    };
    SECTION("a write index beyond the end")
    {
        ring.write_index() = ring.size();
    }
    SECTION("a write index amid a word")
    {
        ring.write_index() = 4;
    }
    SECTION("less than a descriptor and a trailer")
    {
        with(2, 2, 16);
    }
    SECTION("a payload that begins in the descriptor")
    {
        with(1, 4, 40);
    }
    SECTION("a payload that begins behind the end")
    {
        with(5, 4, 40);
    }
    SECTION("a packet longer than what is there")
    {
        with(2, 5, 40);
    }
    SECTION("a packet without room for its trailer")
    {
        with(2, 4, 32);
    }
    SECTION("a packet longer than any")
    {
        with(2, 0xFFFF, 40);
    }

    Packet packet;
    CHECK(channel.incoming().next(packet) == IncomingRing::Next::Broken);
    ring.write_index() = 0;
    CHECK(channel.incoming().next(packet) == IncomingRing::Next::Broken);

    channel.reopen();
    REQUIRE(channel.to_host().write(descriptor(1), {}, pattern(8)));
    CHECK(channel.incoming().next(packet) == IncomingRing::Next::Taken);
}

TEST_CASE("a read index that points nowhere means a ring without room", "[vmbus]")
{
    TestChannel channel;
    channel.to_guest().read_index() = GENERATE(as<std::uint32_t>{}, 4 * page_size, 0xFFFF'FFFF, 3);
    CHECK_FALSE(channel.outgoing().complete(1, {}));
}

TEST_CASE("the ends of rings go on elsewhere at any packet", "[vmbus][state]")
{
    TestChannel channel;
    Packet packet;
    unsigned taken = 0;
    unsigned written = 0;
    unsigned heard = 0;
    for (unsigned i = 0; i < 600; ++i) { // several times around
        if (channel.to_host().write(descriptor(i), {}, pattern(i % 90))) ++written;
        if (i % 7 == 0) channel.move_ends();
        if (i % 3 == 0) continue;
        if (channel.incoming().next(packet) == IncomingRing::Next::Taken) {
            ++taken;
            channel.move_ends();
            REQUIRE(channel.outgoing().complete(packet.transaction(), {}));
            channel.move_ends();
        }
        channel.publish();
        if (i % 2 == 0) continue;
        while (auto const answer = channel.to_guest().take())
            ++heard;
    }
    while (channel.incoming().next(packet) == IncomingRing::Next::Taken)
        ++taken;
    CHECK(taken == written);
    CHECK(written > 300);
    CHECK(heard > 300);
}

TEST_CASE("a wish for room goes elsewhere, and is taken back there", "[vmbus][state]")
{
    TestChannel channel;
    while (channel.outgoing().complete(1, pattern(200))) {
    }
    REQUIRE(channel.to_guest().pending_send_size() != 0);
    channel.publish();
    channel.move_ends();
    while (channel.to_guest().take()) {
    }
    REQUIRE(channel.outgoing().complete(1, pattern(200)));
    CHECK(channel.to_guest().pending_send_size() == 0);
}

TEST_CASE("a ring that is broken is so elsewhere, whatever the guest has made of it meanwhile", "[vmbus][state]")
{
    TestChannel channel;
    channel.to_host().write_index() = 3;
    Packet packet;
    REQUIRE(channel.incoming().next(packet) == IncomingRing::Next::Broken);
    channel.to_host().write_index() = 0;
    channel.move_ends();
    CHECK(channel.incoming().next(packet) == IncomingRing::Next::Broken);
}

TEST_CASE("ends of rings whose saved state is a lie stay within their memory", "[vmbus][state][hostile]")
{
    TestChannel channel;
    LyingState liar;
    channel.incoming().visit(liar);
    channel.outgoing().visit(liar);
    Packet packet;
    CHECK(channel.incoming().next(packet) == IncomingRing::Next::Broken);
    CHECK(channel.outgoing().complete(5, {}));
    channel.publish();
    auto const answer = channel.to_guest().take();
    REQUIRE(answer);
    CHECK(answer->descriptor.transaction == 5);
}
