// A network that is the firmware's first, and the guest's card's then.
#include "devices/net/lent_backend.hpp"
#include "devices/net/testing/recorders.hpp"
#include "hv/testing/catch.hpp"

#include <utility>

using namespace devices::net;
using testing::RecordedFrame;
using Filter = FirmwarePort::Filter;

namespace {

constexpr MacAddress own{{0x52, 0x54, 0, 1, 2, 3}};
constexpr MacAddress other{{0x52, 0x54, 0, 1, 2, 4}};
constexpr MacAddress group{{0x33, 0x33, 0, 0, 0, 1}};
constexpr MacAddress everybody{{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
constexpr Filter usual{.unicast = true, .multicast = false, .broadcast = true, .all = false};

std::vector<std::byte> frame_to(MacAddress const& to, std::size_t size = 60, unsigned mark = 0)
{
    std::vector<std::byte> frame(size);
    for (std::size_t n = 0; n < to.bytes.size() && n < size; ++n)
        frame[n] = static_cast<std::byte>(to.bytes[n]);
    if (size != 0) frame.back() = static_cast<std::byte>(mark);
    return frame;
}

struct Lent {
    std::shared_ptr<testing::RecordingBackend> backend = std::make_shared<testing::RecordingBackend>();
    std::unique_ptr<LentBackend> lent = std::make_unique<LentBackend>(backend, own);
    std::shared_ptr<FirmwarePort> port = lent->firmware();
    testing::RecordingReceiver card;

    Lent() { lent->start(card); }

    bool deliver(std::vector<std::byte> frame) const { return backend->deliver({.bytes = std::move(frame)}); }
    [[nodiscard]] std::vector<std::byte> take() const
    {
        std::vector<std::byte> room(FirmwarePort::longest_frame);
        room.resize(port->take(room));
        return room;
    }
};

} // namespace

TEST_CASE("Firmware sends and receives while nobody else does", "[net][firmware]")
{
    Lent lent;
    CHECK_FALSE(lent.backend->listening);
    lent.port->listen(usual);
    CHECK(lent.backend->listening);
    CHECK(lent.backend->receive_offloads == ReceiveOffloads{});
    CHECK(lent.port->filter() == usual);

    auto const frame = frame_to(other, 60, 7);
    CHECK(lent.port->send(frame));
    REQUIRE(lent.backend->sent.size() == 1);
    CHECK(lent.backend->sent[0].bytes == frame);
    CHECK(lent.backend->sent[0].offload == Offload{});

    CHECK(lent.take().empty());
    REQUIRE(lent.deliver(frame_to(own, FirmwarePort::longest_frame, 1)));
    REQUIRE(lent.deliver(frame_to(everybody, FirmwarePort::shortest_frame, 2)));
    CHECK(lent.port->waiting() == 2);
    CHECK(lent.take() == frame_to(own, FirmwarePort::longest_frame, 1));
    CHECK(lent.take() == frame_to(everybody, FirmwarePort::shortest_frame, 2));
    CHECK(lent.port->waiting() == 0);
    CHECK(lent.card.frames() == 0);
}

TEST_CASE("Firmware gets the frames that it wants", "[net][firmware]")
{
    Lent lent;
    auto const arrives = [&](Filter filter, MacAddress const& to) {
        lent.port->listen(filter);
        REQUIRE(lent.deliver(frame_to(to)));
        return !lent.take().empty();
    };
    CHECK(arrives(usual, own));
    CHECK(arrives(usual, everybody));
    CHECK_FALSE(arrives(usual, other));
    CHECK_FALSE(arrives(usual, group));
    CHECK(arrives({.multicast = true}, group));
    CHECK_FALSE(arrives({.multicast = true}, own));
    CHECK_FALSE(arrives({.multicast = true}, everybody));
    CHECK_FALSE(arrives({.broadcast = true}, own));
    CHECK(arrives({.all = true}, other));
    CHECK(lent.backend->listens == 1); // it is the same to the backend
}

TEST_CASE("Frames that no firmware could take are lost", "[net][firmware][hostile]")
{
    Lent lent;
    lent.port->listen({.all = true});
    CHECK_FALSE(lent.port->send(frame_to(other, FirmwarePort::shortest_frame - 1)));
    CHECK_FALSE(lent.port->send(frame_to(other, FirmwarePort::longest_frame + 1)));
    CHECK(lent.backend->sent.empty());
    lent.backend->accepts = false;
    CHECK_FALSE(lent.port->send(frame_to(other)));
    REQUIRE(lent.deliver(frame_to(own, FirmwarePort::shortest_frame - 1)));
    REQUIRE(lent.deliver(frame_to(own, FirmwarePort::longest_frame + 1)));
    CHECK(lent.port->waiting() == 0);

    for (unsigned n = 0; n < 3 * FirmwarePort::most_waiting; ++n)
        REQUIRE(lent.deliver(frame_to(own, 60, n)));
    CHECK(lent.backend->waiting() == 0);
    CHECK(lent.port->waiting() == FirmwarePort::most_waiting);
    for (unsigned n = 0; n < FirmwarePort::most_waiting; ++n)
        CHECK(lent.take() == frame_to(own, 60, n));
    CHECK(lent.take().empty());
    REQUIRE(lent.deliver(frame_to(own, 60, 99)));
    CHECK(lent.take() == frame_to(own, 60, 99));

    std::vector<std::byte> short_of_one(FirmwarePort::longest_frame - 1);
    REQUIRE(lent.deliver(frame_to(own)));
    CHECK(lent.port->take(short_of_one) == 0);
    CHECK(lent.port->waiting() == 1);
}

TEST_CASE("Firmware that stops listening leaves nothing behind", "[net][firmware]")
{
    Lent lent;
    lent.port->listen(usual);
    REQUIRE(lent.deliver(frame_to(own)));
    lent.lent->ignore(); // a card that has never listened
    CHECK(lent.backend->listening);
    lent.port->listen({});
    CHECK_FALSE(lent.backend->listening);
    CHECK(lent.port->waiting() == 0);
    CHECK(lent.take().empty());
    lent.port->listen(usual);
    CHECK(lent.backend->listening);
    CHECK(lent.port->waiting() == 0);
}

TEST_CASE("The card's own driver takes the network from the firmware", "[net][firmware]")
{
    Lent lent;
    lent.port->listen(usual);
    REQUIRE(lent.deliver(frame_to(own, 60, 1)));
    lent.lent->listen({true, true, false});
    CHECK(lent.backend->receive_offloads == ReceiveOffloads{true, true, false});
    CHECK(lent.port->waiting() == 0);
    CHECK_FALSE(lent.port->send(frame_to(other)));
    CHECK(lent.backend->sent.empty());
    REQUIRE(lent.deliver(frame_to(other, 60, 2)));
    CHECK(lent.card.frames() == 1);

    lent.port->listen(usual); // it comes too late
    CHECK(lent.port->filter() == Filter{});
    CHECK(lent.backend->listens == 2);
    lent.lent->ignore();
    CHECK_FALSE(lent.backend->listening);
    lent.port->listen(usual);
    CHECK_FALSE(lent.backend->listening);

    lent.lent->listen({});
    lent.card.give_room(0);
    CHECK_FALSE(lent.deliver(frame_to(own)));
    CHECK(lent.backend->waiting() == 1); // it waits for the card's room, as without firmware
    lent.lent->room_again();
    CHECK(lent.backend->rooms == 1);
    lent.backend->lose();
    CHECK(lent.card.was_lost);
}

TEST_CASE("Firmware's side outlives the card", "[net][firmware]")
{
    Lent lent;
    lent.port->listen(usual);
    lent.lent.reset();
    CHECK(lent.backend->stopped);
    CHECK_FALSE(lent.port->send(frame_to(other)));
    lent.port->listen(usual);
    CHECK(lent.take().empty());
    CHECK(lent.backend.use_count() == 1);
}
