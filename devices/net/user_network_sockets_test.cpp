#include "devices/net/testing/failures.hpp"
#include "devices/net/testing/user_frames.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <condition_variable>
#include <mutex>
#include <poll.h>
#include <string>

namespace devices::net {

namespace {

using testing::at;
using testing::Bytes;
using testing::discover;
using testing::free_port;
using testing::send;

/// Begins a connection and does not wait for it.
UniqueFd begin_connection(sockaddr const* address, socklen_t size)
{
    UniqueFd fd{::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    REQUIRE(fd);
    REQUIRE((::connect(fd.get(), address, size) == 0 || errno == EINPROGRESS));
    return fd;
}

bool becomes(UniqueFd const& fd, short events)
{
    constexpr int patience_ms = 20'000;
    pollfd polled{fd.get(), events, 0};
    return ::poll(&polled, 1, patience_ms) == 1 && (polled.revents & events) != 0;
}

} // namespace

TEST_CASE("A forwarded port lets many connections wait, as a server does", "[net][user]")
{
    PortForward const forward{
        .host_address = in_addr{htonl(INADDR_LOOPBACK)}, .host_port = free_port(), .guest_port = 22};
    SlirpNetwork const network{{forward}, [](auto) {}, [](auto const&) {}}; // accepts none, as nothing is called
    SocketAddress const host{forward.host_address, forward.host_port};
    std::vector<UniqueFd> connections;
    for (unsigned i = 0; i < 64; ++i)
        connections.push_back(begin_connection(host.get(), host.size));
    for (auto const& connection : connections)
        CHECK(becomes(connection, POLLOUT));
}

TEST_CASE("A datagram with a wrong checksum to a forwarded port does no harm", "[net][user][hostile]")
{
    UniqueFd const raw{::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP)};
    if (!raw) {
        WARN("not tested: needs the right to send raw packets (run as root)");
        return;
    }
    constexpr std::uint16_t forward_to = 53;
    auto const port = free_port();
    PortForward const forward{
        .udp = true, .host_address = in_addr{htonl(INADDR_LOOPBACK)}, .host_port = port, .guest_port = forward_to};
    testing::RecordingReceiver guest;
    testing::LocalNetwork network{{forward}};
    network.start(guest);
    network.listen({});
    // So long that the kernel looks at the checksum only when the socket is read.
    constexpr unsigned size = 200;
    Bytes datagram;
    testing::put(datagram, {4, 0, unsigned{port} >> 8, port & 0xFFU, 0, size, 0xBA, 0xD1});
    datagram.resize(size);
    SocketAddress const host{forward.host_address, 0};
    REQUIRE(::sendto(raw.get(), datagram.data(), size, 0, host.get(), host.size) == size);
    REQUIRE(send(network, discover()));
    CHECK(guest.wait_for([](auto const& f) { return f.bytes.size() > 285 && at(f, 37) == 68; }));

    datagram[6] = datagram[7] = std::byte{0}; // none
    REQUIRE(::sendto(raw.get(), datagram.data(), size, 0, host.get(), host.size) == size);
    CHECK(guest.wait_for([](auto const& f) { return at(f, 23) == 17 && at(f, 37) == forward_to; }));
}

TEST_CASE("A port of IPv6 leads to the guest's IPv6 address", "[net][user]")
{
    SocketAddress const any_port{in6addr_loopback, 0};
    UniqueFd const probe{::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!probe || ::bind(probe.get(), any_port.get(), any_port.size) != 0) {
        WARN("not tested: this machine has no IPv6");
        return;
    }
    auto const port = free_port();
    in6_addr guest_address{};
    ::inet_pton(AF_INET6, "fec0::5", &guest_address);
    // IPv4 has the same port, its own way.
    std::vector<PortForward> const forwards{
        {.host_address = in_addr{}, .host_port = port, .guest_port = 22},
        {.host_address = in6addr_any, .host_port = port, .guest_address = guest_address, .guest_port = 22}};
    testing::RecordingReceiver guest;
    testing::LocalNetwork network{forwards};
    network.start(guest);
    network.listen({});
    SocketAddress const host{in6addr_loopback, port};
    auto const connection = begin_connection(host.get(), host.size);
    auto const asked = guest.wait_for([](auto const& f) { return f.bytes.size() > 78 && at(f, 54) == 135; });
    REQUIRE(asked); // a neighbour solicitation (RFC 4861 4.3)
    CHECK(Bytes{asked->bytes.begin() + 62, asked->bytes.begin() + 78} ==
          Bytes{reinterpret_cast<std::byte const*>(&guest_address),
                reinterpret_cast<std::byte const*>(&guest_address + 1)});
}

TEST_CASE("A user-mode network without a descriptor says so once, and accepts again when it has one", "[net][user]")
{
    PortForward const forward{
        .host_address = in_addr{htonl(INADDR_LOOPBACK)}, .host_port = free_port(), .guest_port = 22};
    testing::RecordingReceiver guest;
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> reports;
    testing::LocalNetwork network{{forward}, [&](std::string const& text) {
                                      std::lock_guard const lock{mutex};
                                      reports.push_back(text);
                                      changed.notify_all();
                                  }};
    network.start(guest);
    network.listen({});
    SocketAddress const host{forward.host_address, forward.host_port};
    UniqueFd const client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    {
        testing::NoDescriptorLeft const none;
        REQUIRE(::connect(client.get(), host.get(), host.size) == 0);
        std::unique_lock lock{mutex};
        changed.wait(lock, [&] { return !reports.empty(); });
    }
    CHECK(guest.wait_for([](auto const& f) { return at(f, 12) == 8 && at(f, 13) == 6; })); // who has 10.0.2.15
    network.stop();
    REQUIRE(reports.size() == 1);
    CHECK_THAT(reports[0], Catch::Contains("gets no socket") && Catch::Contains("ulimit -n"));
}

TEST_CASE("An exception on its thread ends a user-mode network, and nothing else", "[net][user]")
{
    testing::FailingReceiver guest;
    std::string report;
    testing::LocalNetwork network{{}, [&](auto const& text) { report = text; }};
    network.start(guest);
    network.listen({});
    REQUIRE(send(network, discover()));
    guest.was_lost.wait(false);
    network.stop();
    CHECK(report == "the user-mode network has failed: std::bad_alloc: its guest is off that network");
}

} // namespace devices::net
