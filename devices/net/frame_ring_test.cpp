#include "devices/net/frame_ring.hpp"
#include "hv/testing/catch.hpp"

#include <array>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace devices::net {

namespace {

using Bytes = std::vector<std::byte>;

struct Ring {
    static constexpr std::size_t size = std::size_t{128} << 10;

    RingState state;
    Bytes bytes = Bytes(size);
    FrameWriter writer{state, bytes};
    FrameReader reader{state, bytes};

    bool put(Bytes frame, Offload const& with = {})
    {
        auto const half = frame.size() / 2;
        std::array const pieces{iovec{frame.data(), half}, iovec{nullptr, 0},
                                iovec{frame.data() + half, frame.size() - half}};
        return writer.put(with, pieces, frame.size());
    }
    Bytes read(std::size_t room = largest_frame)
    {
        Bytes frame(room);
        std::array const pieces{iovec{frame.data(), room / 3}, iovec{frame.data() + room / 3, room - room / 3}};
        frame.resize(reader.read(offload, pieces));
        return frame;
    }
    Offload offload;
};

Bytes frame_of(std::size_t size, unsigned mark)
{
    Bytes frame(size);
    for (std::size_t i = 0; i < size; ++i)
        frame[i] = static_cast<std::byte>(mark + i * 7);
    return frame;
}

} // namespace

TEST_CASE("Frames of all sizes come out of a ring as they went in, round and round", "[net][ring]")
{
    Ring ring;
    std::size_t bytes = 0;
    for (unsigned i = 0; bytes < 5 * Ring::size; ++i) {
        auto const frame = frame_of(1 + i * 1237 % largest_frame, i);
        Offload const offload{.flags = Offload::checksum_valid, .checksum_start = static_cast<std::uint16_t>(i)};
        REQUIRE(ring.put(frame, offload));
        REQUIRE(ring.writer.publish()); // the reader has taken all that there was
        REQUIRE(ring.reader.look());
        REQUIRE(ring.read() == frame);
        REQUIRE(ring.offload == offload);
        REQUIRE(ring.read().empty());
        REQUIRE_FALSE(ring.reader.release());
        bytes += frame.size();
    }
}

TEST_CASE("A reader is woken for the first of frames alone, and sees what was there when it looked", "[net][ring]")
{
    Ring ring;
    CHECK_FALSE(ring.writer.publish());
    REQUIRE(ring.put(frame_of(60, 1)));
    CHECK_FALSE(ring.reader.look()); // it is not shown yet
    CHECK(ring.writer.unpublished() == ring_charge(60));
    CHECK(ring.writer.publish());
    REQUIRE(ring.reader.look());
    REQUIRE(ring.put(frame_of(60, 2)));
    CHECK_FALSE(ring.writer.publish());
    CHECK(ring.read() == frame_of(60, 1));
    CHECK(ring.read().empty());
    CHECK(ring.reader.release()); // there is another
    REQUIRE(ring.reader.look());
    CHECK(ring.reader.skip_all() == 1);
    CHECK_FALSE(ring.reader.release());
}

TEST_CASE("A frame that has no room where it is read is cut", "[net][ring]")
{
    Ring ring;
    REQUIRE(ring.put(frame_of(100, 1)));
    REQUIRE(ring.put(frame_of(100, 2)));
    static_cast<void>(ring.writer.publish());
    REQUIRE(ring.reader.look());
    auto cut = frame_of(100, 1);
    cut.resize(33);
    CHECK(ring.read(33) == cut);
    CHECK(ring.read() == frame_of(100, 2));
}

TEST_CASE("A ring holds as much as it has room for, and again when that was read", "[net][ring]")
{
    Ring ring;
    unsigned count = 0;
    while (ring.put(frame_of(1000, count)))
        ++count;
    CHECK(count == Ring::size / ring_charge(1000));
    CHECK_FALSE(ring.put(Bytes(largest_frame + 1)));
    static_cast<void>(ring.writer.publish());
    ring.reader.look();
    for (unsigned i = 0; i < count; ++i)
        REQUIRE(ring.read() == frame_of(1000, i));
    CHECK_FALSE(ring.put(frame_of(1000, 0))); // the room was not given back yet
    static_cast<void>(ring.reader.release());
    CHECK(ring.put(frame_of(1000, 0)));
}

TEST_CASE("A frame of no length is none", "[net][ring]")
{
    Ring ring;
    REQUIRE(ring.put({}));
    REQUIRE(ring.put(frame_of(60, 1)));
    static_cast<void>(ring.writer.publish());
    REQUIRE(ring.reader.look());
    CHECK(ring.read() == frame_of(60, 1));
    CHECK(ring.read().empty());
}

TEST_CASE("A reader believes no writer that breaks the rules", "[net][ring][hostile]")
{
    Ring ring;
    auto const say = [&](std::uint32_t put) { ring.state.put.store(put); };
    SECTION("more than the ring has room for")
    {
        say(Ring::size + 16);
        CHECK_THROWS_AS(ring.reader.look(), std::runtime_error);
    }
    SECTION("backwards")
    {
        say(static_cast<std::uint32_t>(-16));
        CHECK_THROWS_AS(ring.reader.look(), std::runtime_error);
    }
    SECTION("where no frame can begin")
    {
        say(24);
        CHECK_THROWS_AS(ring.reader.look(), std::runtime_error);
    }
    SECTION("a frame that ends behind the last")
    {
        RingRecord const record{.size = 100};
        std::memcpy(ring.bytes.data(), &record, sizeof record);
        say(64);
        REQUIRE(ring.reader.look());
        CHECK_THROWS_AS(ring.read(), std::runtime_error);
        CHECK_THROWS_AS(ring.reader.skip_all(), std::runtime_error);
    }
    SECTION("a frame that is too long")
    {
        RingRecord const record{.size = largest_frame + 1};
        std::memcpy(ring.bytes.data(), &record, sizeof record);
        say(Ring::size);
        REQUIRE(ring.reader.look());
        CHECK_THROWS_AS(ring.read(), std::runtime_error);
    }
}

TEST_CASE("A writer puts nothing where it would overrun what a reader says", "[net][ring][hostile]")
{
    Ring ring;
    ring.state.taken.store(16); // more than was ever put
    CHECK_FALSE(ring.put(frame_of(60, 1)));
    ring.state.taken.store(static_cast<std::uint32_t>(-1));
    CHECK(ring.put(frame_of(60, 1))); // it costs that reader its frames, nobody else anything
}

} // namespace devices::net
