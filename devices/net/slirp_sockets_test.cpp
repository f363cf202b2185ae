#include "devices/net/slirp_sockets.hpp"
#include "devices/net/testing/failures.hpp"
#include "hv/testing/catch.hpp"

#include <array>
#include <sys/socket.h>

namespace devices::net {

namespace {

using Bytes = std::vector<std::byte>;

/// An IPv4 packet in a frame: its protocol, whether it is a fragment, and TCP's flags.
Bytes frame_of(unsigned protocol, unsigned tcp_flags = 0, bool fragment = false)
{
    Bytes frame(14 + 20 + 20);
    frame[12] = std::byte{8};
    frame[14] = std::byte{0x45};
    frame[20] = fragment ? std::byte{0x20} : std::byte{0};
    frame[23] = static_cast<std::byte>(protocol);
    frame[47] = static_cast<std::byte>(tcp_flags);
    return frame;
}

constexpr unsigned tcp = 6;
constexpr unsigned udp = 17;
constexpr unsigned syn = 2;
constexpr unsigned ack = 16;

struct Setting {
    std::vector<std::string> reports;
    SlirpSockets sockets{[this](auto const& text) { reports.push_back(text); }};
    UniqueFd const any{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};

    void open(std::size_t count)
    {
        for (std::size_t i = 0; i < count; ++i)
            sockets.opened(any.get());
    }
};

} // namespace

TEST_CASE("A user-mode network has so many connections and no more, and says so once", "[net][user][hostile]")
{
    Setting s;
    s.open(SlirpSockets::most_streams - 1);
    CHECK(s.sockets.admits(frame_of(tcp, syn)));
    CHECK(s.sockets.may_accept(0));
    CHECK(s.reports.empty());

    s.open(1);
    CHECK_FALSE(s.sockets.admits(frame_of(tcp, syn)));
    CHECK_FALSE(s.sockets.admits(frame_of(tcp, syn, true))); // it may be hidden in a fragment
    CHECK_FALSE(s.sockets.may_accept(0));
    CHECK(s.sockets.admits(frame_of(tcp, syn | ack)));
    CHECK(s.sockets.admits(frame_of(tcp, ack)));
    CHECK(s.sockets.admits(frame_of(udp)));
    CHECK(s.sockets.admits(Bytes(20))); // ARP and others
    REQUIRE(s.reports.size() == 1);
    CHECK_THAT(s.reports[0], Catch::Contains("has 1000 connections, the most"));

    s.open(SlirpSockets::most - SlirpSockets::most_streams);
    CHECK_FALSE(s.sockets.admits(frame_of(udp)));
    CHECK(s.sockets.admits(frame_of(tcp, ack)));
    s.sockets.closed(s.any.get());
    CHECK(s.sockets.admits(frame_of(udp)));
    CHECK(s.reports.size() == 1);
}

TEST_CASE("A forwarded port of UDP may be readable in vain, other sockets may not", "[net][user]")
{
    Setting s;
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    UniqueFd const port{ends[0]};
    UniqueFd const peer{ends[1]};
    CHECK_FALSE(s.sockets.readable_in_vain(port.get())); // none of its own
    s.sockets.forwarding(port.get());
    CHECK_FALSE(s.sockets.listens(port.get()));
    CHECK(s.sockets.readable_in_vain(port.get()));
    REQUIRE(::send(peer.get(), "", 0, 0) == 0); // an empty datagram is one
    CHECK_FALSE(s.sockets.readable_in_vain(port.get()));
    CHECK_FALSE(s.sockets.readable_in_vain(port.get())); // it is still there
    CHECK_FALSE(s.sockets.readable_in_vain(s.any.get()));
}

TEST_CASE("Ports are left alone for a while when no connection can be accepted", "[net][user]")
{
    Setting s;
    {
        testing::NoDescriptorLeft const none;
        CHECK_FALSE(s.sockets.may_accept(5000));
        CHECK(s.sockets.paused_until(5999) == 6000);
        CHECK(s.sockets.paused_until(6000) == 0);
        CHECK_FALSE(s.sockets.may_accept(6000));
        s.sockets.opened(-1); // the guest connects
        s.sockets.closed(-1);
    }
    CHECK(s.sockets.paused_until(7000) == 0);
    CHECK(s.sockets.may_accept(7000));
    CHECK(s.sockets.paused_until(7000) == 0);
    CHECK(s.sockets.count() == 0);
    REQUIRE(s.reports.size() == 1);
    CHECK_THAT(s.reports[0], Catch::Contains("gets no socket"));
}

} // namespace devices::net
