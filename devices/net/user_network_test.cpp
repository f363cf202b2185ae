#include "devices/net/checksum.hpp"
#include "devices/net/testing/user_frames.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/inspected.hpp"
#include "hv/testing/rest.hpp"

#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <stdexcept>
#include <string>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>

namespace devices::net {

namespace {

using testing::at;
using testing::Bytes;
using testing::discover;
using testing::free_port;
using testing::is_offer;
using testing::put;
using testing::send;

int connect_to(std::uint16_t port)
{
    auto const fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    return fd;
}

} // namespace

TEST_CASE("The user-mode network offers the first guest 10.0.2.15 by DHCP", "[net][user]")
{
    testing::RecordingReceiver guest;
    testing::LocalNetwork network{{}};
    network.start(guest);
    network.listen({});
    REQUIRE(send(network, discover()));

    auto const offer = guest.wait_for(is_offer);
    REQUIRE(offer);
    CHECK(at(*offer, 42) == 2); // BOOTREPLY
    CHECK(Bytes{offer->bytes.begin() + 46, offer->bytes.begin() + 50} ==
          Bytes{std::byte{0xde}, std::byte{0xad}, std::byte{0xbe}, std::byte{0xef}});
    CHECK(at(*offer, 58) == 10);
    CHECK(at(*offer, 59) == 0);
    CHECK(at(*offer, 60) == 2);
    CHECK(at(*offer, 61) == 15);
    CHECK((offer->offload.flags & Offload::checksum_valid) != 0);
    network.stop();
}

TEST_CASE("Nothing is received before the guest listens", "[net][user]")
{
    testing::RecordingReceiver guest;
    testing::LocalNetwork network{{}};
    network.start(guest);
    REQUIRE(send(network, discover()));
    network.stop(); // all that was sent has been dealt with by then, or never will be
    guest.give_room(1);
    CHECK(guest.room == 1);
}

TEST_CASE("A quiesced user-mode network delivers nothing, and goes on where it was", "[net][user][quiesce]")
{
    testing::RecordingReceiver guest;
    testing::LocalNetwork network{{}};
    network.start(guest);
    network.listen({});
    hv::testing::Rest rest;
    network.quiesce(rest.last());
    rest.wait();
    auto const before = guest.frames();
    REQUIRE(send(network, discover()));
    std::this_thread::sleep_for(std::chrono::milliseconds{20}); // for what must not happen
    CHECK(guest.frames() == before);
    SECTION("it is resumed")
    {
        network.resume();
        CHECK(guest.wait_for(is_offer));
    }
    SECTION("it is stopped")
    {
        network.stop();
    }
}

TEST_CASE("A network whose thread has not begun, or has ended, is at rest", "[net][quiesce]")
{
    hv::testing::Rest rest;
    BackendThread thread{ThreadRole::UserNetwork};
    thread.quiesce(rest.last());
    CHECK(rest.reached());
    thread.resume();

    std::atomic<bool> failed{false};
    thread.begin([] { throw std::runtime_error{"no more"}; }, [&](char const*) { failed = true; });
    hv::testing::Rest again;
    thread.quiesce(again.last());
    again.wait();
    CHECK(failed);
}

TEST_CASE("A connection to a forwarded port becomes one to the guest", "[net][user]")
{
    auto const port = free_port();
    PortForward const forward{.udp = false,
                              .host_address = in_addr{htonl(INADDR_LOOPBACK)},
                              .host_port = port,
                              .guest_address = {},
                              .guest_port = 22};
    testing::RecordingReceiver guest;
    testing::LocalNetwork network{{forward}};
    network.start(guest);
    network.listen({});
    auto const connection = connect_to(port);
    // The network looks for the guest first.
    auto const request = guest.wait_for([](auto const& f) { return at(f, 12) == 8 && at(f, 13) == 6; });
    REQUIRE(request);
    CHECK(at(*request, 41) == 15); // who has 10.0.2.15
    Bytes answer;
    put(answer, {0x52, 0x55, 10, 0, 2, 2, 0x52, 0x54, 0, 1, 2, 3, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2});
    put(answer, {0x52, 0x54, 0, 1, 2, 3, 10, 0, 2, 15, 0x52, 0x55, 10, 0, 2, 2, 10, 0, 2, 2});
    REQUIRE(send(network, answer));

    auto const syn = guest.wait_for([](auto const& f) { return at(f, 12) == 8 && at(f, 13) == 0 && at(f, 23) == 6; });
    REQUIRE(syn);
    CHECK(at(*syn, 37) == 22);
    CHECK((at(*syn, 47) & 0x02) != 0); // SYN
    ::close(connection);
}

TEST_CASE("A port of the host that is taken is complained about", "[net][user]")
{
    auto const port = free_port();
    PortForward const forward{.host_address = in_addr{htonl(INADDR_LOOPBACK)}, .host_port = port, .guest_port = 22};
    testing::LocalNetwork const first{{forward}};
    CHECK_THROWS_WITH(testing::LocalNetwork{{forward}},
                      Catch::Contains("cannot listen for tcp:127.0.0.1:" + std::to_string(port) + "-:22") &&
                          Catch::Contains("in use"));
}

TEST_CASE("A guest that sends faster than the network takes loses frames, and costs no more memory", "[net][user]")
{
    testing::PlayedNetwork network; // takes nothing
    std::vector<std::byte> frame(1514);
    unsigned taken = 0;
    while (taken < 100'000 && send(network.end, frame))
        ++taken;
    CHECK(taken > 100);
    CHECK(taken < 1000);
    CHECK_FALSE(send(network.end, frame));
}

TEST_CASE("A frame may have pieces of no length, which point nowhere", "[net][user]")
{
    testing::RecordingReceiver guest;
    testing::LocalNetwork network{{}};
    network.start(guest);
    network.listen({});
    auto frame = discover();
    std::array const pieces{iovec{nullptr, 0}, iovec{frame.data(), frame.size()}, iovec{nullptr, 0}};
    REQUIRE(network.send({}, pieces));
    CHECK(guest.wait_for(is_offer));
    CHECK(network.send({}, {}));
}

TEST_CASE("A guest's fragments of IPv4 packets are dropped, whichever comes first", "[net][user][hostile]")
{
    testing::RecordingReceiver guest;
    testing::LocalNetwork network{{}};
    network.start(guest);
    network.listen({});
    auto const fragment = [](unsigned bits) { // of 10.0.2.15 to 10.0.2.2
        Bytes frame;
        put(frame, {0x52, 0x55, 10, 0, 2, 2, 0x52, 0x54, 0, 1, 2, 3, 8, 0});
        put(frame, {0x45, 0, 0, 52, 0, 7, bits >> 8, bits & 0xFF, 64, 17, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2});
        auto const sum = ipv4_header_checksum({&frame[14], 20});
        std::memcpy(&frame[24], &sum, sizeof sum);
        frame.resize(14 + 52, std::byte{0x5A});
        return frame;
    };
    constexpr unsigned more_follow = 0x2000;
    constexpr std::array fragments{0x0900U, more_follow, more_follow | 4U, 8U};
    for (auto const bits : fragments)
        REQUIRE(send(network, fragment(bits)));
    REQUIRE(send(network, discover()));
    CHECK(guest.wait_for(is_offer));
    network.stop();
    hv::testing::Inspected seen;
    network.inspect(seen);
    CHECK(seen.at("dropped_from_guest") == std::to_string(fragments.size()));
}

TEST_CASE("A network that gets no more descriptors says so, once", "[net][user]")
{
    std::mutex lock;
    std::condition_variable changed;
    std::vector<std::string> said;
    testing::LocalNetwork network{{}, [&](std::string const& text) {
                                      std::lock_guard const guard{lock};
                                      said.push_back(text);
                                      changed.notify_all();
                                  }};
    testing::RecordingReceiver guest;
    network.start(guest);
    network.listen({});
    REQUIRE(send(network, discover()));
    REQUIRE(guest.wait_for(
        is_offer)); // the thread has been everywhere once: sanitizers look at new objects through descriptors

    ::rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    ::rlimit none = before;
    none.rlim_cur = 3;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    std::unique_lock guard{lock};
    while (said.empty()) { // it looks at most every 100 ms
        guard.unlock();
        (void)send(network, discover());
        guard.lock();
        changed.wait_for(guard, std::chrono::milliseconds{20});
    }
    guard.unlock();
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    network.stop();
    REQUIRE(said.size() == 1);
    CHECK(said.front().find("'ulimit -n' (now 3") != std::string::npos);
}

TEST_CASE("Frames of any content do no harm to the network", "[net][user]")
{
    testing::RecordingReceiver guest;
    testing::LocalNetwork network{{}};
    network.start(guest);
    network.listen({});
    std::uint32_t seed = 4711;
    for (unsigned i = 0; i < 2000; ++i) {
        auto frame = discover();
        for (unsigned spoilt = 0; spoilt < 1 + i % 7; ++spoilt) {
            seed = seed * 1664525 + 1013904223;
            frame[14 + (seed >> 8) % (frame.size() - 14)] = static_cast<std::byte>(seed >> 24);
        }
        frame.resize(14 + (seed >> 4) % (frame.size() - 14));
        send(network, frame);
    }
    REQUIRE(send(network, discover()));
    CHECK(guest.wait_for(is_offer));
}

} // namespace devices::net
