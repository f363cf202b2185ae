#include "devices/net/checksum.hpp"
#include "devices/net/testing/user_frames.hpp"
#include "hv/testing/catch.hpp"

#include <arpa/inet.h>
#include <array>
#include <cstdint>
#include <cstring>
#include <sys/socket.h>

namespace devices::net {

namespace {

using testing::at;
using testing::Bytes;
using testing::discover;
using testing::free_port;
using testing::is_offer;
using testing::put;
using testing::RecordedFrame;
using testing::send;

/// What listens on 127.0.0.1, and its port.
struct Listener {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    std::uint16_t port = 0;

    Listener()
    {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
        REQUIRE(::listen(fd, 1) == 0);
        REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
        port = ntohs(address.sin_port);
    }
    ~Listener() { ::close(fd); }
    Listener(Listener const&) = delete;
    Listener& operator=(Listener const&) = delete;
};

void put32(Bytes& out, std::uint32_t value)
{
    put(out, {value >> 24, value >> 16 & 0xFF, value >> 8 & 0xFF, value & 0xFF});
}

std::uint32_t read32(RecordedFrame const& frame, std::size_t offset)
{
    return at(frame, offset) << 24 | at(frame, offset + 1) << 16 | at(frame, offset + 2) << 8 | at(frame, offset + 3);
}

constexpr unsigned tcp_syn = 2;
constexpr unsigned tcp_ack = 16;
constexpr Offload tcp_checksum{.flags = Offload::needs_checksum, .checksum_start = 34, .checksum_offset = 16};

/// A TCP segment of 10.0.2.15:1025 to 10.0.2.2 whose checksum is left to the network: its field has the sum of the
/// pseudo-header (RFC 9293 3.1).
Bytes tcp_frame(unsigned port, unsigned flags, std::uint32_t sequence, std::uint32_t acknowledged,
                Bytes const& data = {})
{
    auto const tcp_length = static_cast<unsigned>(20 + data.size());
    auto const length = 20 + tcp_length;
    Bytes frame;
    put(frame, {0x52, 0x55, 10, 0, 2, 2, 0x52, 0x54, 0, 1, 2, 3, 8, 0});
    put(frame, {0x45, 0, length >> 8, length & 0xFF, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2});
    auto const sum = ipv4_header_checksum({&frame[14], 20});
    std::memcpy(&frame[24], &sum, sizeof sum);
    put(frame, {1025 >> 8, 1025 & 0xFF, port >> 8, port & 0xFF});
    put32(frame, sequence);
    put32(frame, acknowledged);
    put(frame, {5 << 4, flags, 0xFF, 0xFF});
    auto pseudo = 2 * (10 << 8) + 0x020F + 0x0202 + 6 + tcp_length;
    pseudo = (pseudo & 0xFFFF) + (pseudo >> 16);
    put(frame, {pseudo >> 8, pseudo & 0xFF, 0, 0});
    frame.insert(frame.end(), data.begin(), data.end());
    return frame;
}

Bytes receive(int fd, std::size_t size)
{
    Bytes data(size);
    std::size_t done = 0;
    while (done < size) {
        auto const n = ::recv(fd, &data[done], size - done, 0);
        if (n <= 0) break;
        done += static_cast<std::size_t>(n);
    }
    data.resize(done);
    return data;
}

/// A guest at 10.0.2.15 that has connected to a program of the host's.
class Connected {
  public:
    Connected()
    {
        network.start(guest_);
        network.listen({});
        Bytes here; // a gratuitous ARP request: 10.0.2.15 is at 52:54:00:01:02:03
        put(here, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x52, 0x54, 0, 1, 2, 3, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1});
        put(here, {0x52, 0x54, 0, 1, 2, 3, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 15});
        REQUIRE(send(network, here));

        REQUIRE(send(network, tcp_frame(listener_.port, tcp_syn, sent_, 0), tcp_checksum));
        auto const answer =
            guest_.wait_for([](auto const& f) { return at(f, 12) == 8 && at(f, 13) == 0 && at(f, 23) == 6; });
        REQUIRE(answer);
        REQUIRE(at(*answer, 47) == (tcp_syn | tcp_ack));
        ++sent_;
        next_ = read32(*answer, 38) + 1;
        say({});
        program_ = ::accept(listener_.fd, nullptr, nullptr);
        REQUIRE(program_ >= 0);
        timeval const patience{10, 0};
        ::setsockopt(program_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    Connected(Connected const&) = delete;
    Connected& operator=(Connected const&) = delete;
    ~Connected()
    {
        network.stop();
        ::close(program_);
    }

    /// The guest sends the next data.
    void say(Bytes const& data, Offload const& offload = tcp_checksum)
    {
        say_frame(frame(data), data.size(), offload);
    }
    [[nodiscard]] Bytes frame(Bytes const& data) const
    {
        return tcp_frame(listener_.port, tcp_ack, sent_, next_, data);
    }
    void say_frame(Bytes const& frame, std::size_t size, Offload const& offload)
    {
        REQUIRE(send(network, frame, offload));
        sent_ += static_cast<std::uint32_t>(size);
    }
    [[nodiscard]] Bytes heard(std::size_t size) const { return receive(program_, size); }

    testing::LocalNetwork network{{}};

  private:
    Listener const listener_;
    testing::RecordingReceiver guest_;
    std::uint32_t sent_ = 1000;
    std::uint32_t next_ = 0;
    int program_ = -1;
};

} // namespace

TEST_CASE("A guest's TCP segment of many times the MTU reaches its socket, the checksum filled in", "[net][user]")
{
    Connected guest;
    CHECK(guest.network.end().send_offloads() == SendOffloads{.checksum = true, .large4 = true, .large6 = false});

    Bytes data(20'001);
    for (std::size_t i = 0; i < data.size(); ++i)
        data[i] = static_cast<std::byte>(i * 7 + (i >> 8));
    auto large = tcp_checksum;
    large.segmentation = static_cast<std::uint8_t>(Segmentation::Tcp4);
    large.header_size = 54;
    large.segment_size = 1460;
    guest.say(data, large);
    CHECK(guest.heard(data.size()) == data);
}

TEST_CASE("Urgent data that a guest says there is, and is not, is taken from nowhere else", "[net][user][hostile]")
{
    constexpr unsigned tcp_urgent = 32;
    Connected guest;
    Bytes urgent;
    put(urgent, {'a', 'b', 'c'});
    auto frame = guest.frame(urgent);
    frame[47] |= std::byte{tcp_urgent};
    frame[52] = std::byte{2048 >> 8}; // 2,048 bytes of urgent data, where there are three
    auto checksum = tcp_checksum;
    SECTION("with a checksum that the network fills in") {}
    SECTION("with a checksum of the guest's own")
    {
        iovec const whole{frame.data(), frame.size()};
        fill_in_checksum(checksum, {&whole, 1}, frame.size());
    }
    guest.say_frame(frame, urgent.size(), checksum);

    Bytes more;
    put(more, {'d', 'e', 'f', 'g'});
    guest.say(more);
    Bytes both = urgent;
    both.insert(both.end(), more.begin(), more.end());
    CHECK(guest.heard(both.size()) == both);
}

TEST_CASE("Connections that are refused, to a guest whose address is not known yet, do no harm",
          "[net][user][hostile]")
{
    auto const nobody_listens = free_port();
    testing::RecordingReceiver guest;
    testing::LocalNetwork network{{}};
    network.start(guest);
    network.listen({});
    for (std::uint32_t sequence = 1000; sequence < 1010; ++sequence)
        REQUIRE(send(network, tcp_frame(nobody_listens, tcp_syn, sequence, 0), tcp_checksum));
    REQUIRE(send(network, discover()));
    CHECK(guest.wait_for(is_offer));
    network.stop();
}

} // namespace devices::net
