#include "devices/net/testing/failures.hpp"
#include "devices/net/testing/user_frames.hpp"
#include "hv/testing/inspected.hpp"

#include <atomic>
#include <string>
#include <sys/mman.h>
#include <system_error>

namespace devices::net {

using testing::Bytes;
using testing::PlayedNetwork;
using testing::send;

namespace {

/// Hears of the network's end, and counts how often.
class LosingReceiver final : public FrameReceiver {
  public:
    [[nodiscard]] bool receive(FrameSource&) override { return true; }
    void lost() override
    {
        ++times;
        times.notify_all();
    }
    std::atomic<unsigned> times{0};
};

Bytes marked(unsigned mark)
{
    return Bytes(60, static_cast<std::byte>(mark));
}

auto has(unsigned mark)
{
    return [mark](auto const& frame) { return frame.bytes == marked(mark); };
}

/// What is said when this is what a network's process does.
template <typename Deed>
std::string failure_after(Deed deed)
{
    LosingReceiver guest;
    PlayedNetwork network;
    network.end.start(guest);
    network.end.listen({});
    deed(network);
    guest.times.wait(0);
    network.end.stop();
    CHECK(guest.times == 1);
    CHECK_FALSE(send(network.end, Bytes(largest_frame + 1)));
    return network.warnings.empty() ? "" : network.warnings.back();
}

} // namespace

TEST_CASE("A network that has ended is lost once, and its guest goes on", "[net][user][hostile]")
{
    CHECK(failure_after([](auto& network) { network.socket = LinkSocket{UniqueFd{}}; }) ==
          "the user-mode network has failed: its process has ended: its guest is off that network");
}

TEST_CASE("A network whose process breaks the rules is lost", "[net][user][hostile]")
{
    CHECK_THAT(failure_after([](auto& network) {
                   network.head.to_guest.put = 1U << 30;
                   network.socket.send(LinkMessage::Wake);
               }),
               Catch::Contains("its frames overrun their ring"));
    CHECK_THAT(
        failure_after([](auto& network) { network.socket.send(LinkMessage::Failed, "no more\nof \x1B[1mthis"); }),
        Catch::Contains("has failed: no more?of ?[1mthis:"));
}

TEST_CASE("A process that sends warnings without an end, or nonsense, is heard a few times", "[net][user][hostile]")
{
    testing::RecordingReceiver guest;
    PlayedNetwork network;
    network.end.start(guest);
    network.end.listen({});
    for (unsigned char i = 0; i < 100; ++i) {
        auto const kind = static_cast<LinkMessage>(i);
        while (!network.socket.send(LinkMessage::Warning, std::string(5000, 'x')))
            std::this_thread::yield();
        while (kind != LinkMessage::Failed && !network.socket.send(kind))
            std::this_thread::yield();
    }
    network.bring(marked(1));
    CHECK(guest.wait_for(has(1)));
    network.end.stop();
    CHECK(network.warnings.size() == 16);
    CHECK(network.warnings.front().size() == LinkSocket::longest_text);
}

TEST_CASE("Frames of a user-mode network wait for a receiver that has no room", "[net][user]")
{
    testing::RecordingReceiver guest;
    guest.room = 1;
    PlayedNetwork network;
    network.end.start(guest);
    network.end.listen({});
    network.bring(marked(1));
    network.bring(marked(2));
    network.bring(marked(3));
    CHECK(guest.wait_for(has(1)));
    guest.give_room(2);
    network.end.room_again();
    CHECK(guest.wait_for(has(2)));
    CHECK(guest.wait_for(has(3)));
}

TEST_CASE("Frames that nobody listens for are dropped, and counted with those of the other end", "[net][user]")
{
    testing::RecordingReceiver guest;
    PlayedNetwork network;
    network.head.dropped_to_guest = 10;
    network.head.dropped_from_guest = 20;
    network.end.start(guest);
    network.bring(marked(1));
    auto const count = [&](std::string const& name) {
        hv::testing::Inspected seen;
        network.end.inspect(seen);
        return seen.at(name);
    };
    while (count("dropped_to_guest") != "11") // until its thread has seen it
        std::this_thread::yield();
    network.end.listen({});
    network.bring(marked(2));
    CHECK(guest.wait_for([](auto const&) { return true; })->bytes == marked(2));
    CHECK(count("dropped_from_guest") == "20");
}

TEST_CASE("A process that does not read what it is told is lost", "[net][user][hostile]")
{
    CHECK_THAT(failure_after([](auto& network) {
                   for (unsigned i = 0; i < 2000; ++i) {
                       network.end.quiesce({});
                       network.end.resume();
                   }
               }),
               Catch::Contains("its process does not react"));
}

TEST_CASE("A network that cannot begin says why", "[net][user]")
{
    auto const begin = [](auto deed) {
        auto link = make_link();
        {
            LinkSocket const other{std::move(link.network.socket)};
            deed(other);
        }
        UserNetwork const network{std::move(link.vmm), nullptr, [](auto const&) {}};
    };
    CHECK_THROWS_WITH(begin([](auto const& other) { other.send(LinkMessage::Failed, "no such port"); }),
                      "no such port");
    CHECK_THROWS_WITH(begin([](auto const&) {}), "the user-mode network cannot begin: its process has ended");
}

TEST_CASE("Memory that could be cut short under its users is not taken", "[net][user][hostile]")
{
    UniqueFd const memory{::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
    REQUIRE(::ftruncate(memory.get(), static_cast<off_t>(LinkMemory::size)) == 0);
    CHECK_THROWS_AS(LinkMemory{memory.get()}, std::system_error);
}

} // namespace devices::net
