/// A network namespace with a tap in it, and the host's end of that tap.
#pragma once

#include "devices/net/tap.hpp"
#include "devices/net/testing/recorders.hpp"
#include "hv/testing/catch.hpp"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>

#include <arpa/inet.h>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <future>
#include <net/if.h>
#include <sched.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

namespace devices::net::testing {

using Bytes = std::vector<std::byte>;

/// A network of a test's own, with a tap in it. Its thread alone is in there.
class Namespace {
  public:
    explicit Namespace(short flags = 0) : flags_{static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags)}
    {
        if (::unshare(CLONE_NEWNET) != 0) return;
        fd_ = UniqueFd{::open("/dev/net/tun", O_RDWR | O_CLOEXEC)};
        auto request = interface("ptap0");
        request.ifr_flags = flags_;
        made_ = ::ioctl(fd_.get(), TUNSETIFF, &request) == 0 && ::ioctl(fd_.get(), TUNSETPERSIST, 1UL) == 0;
        UniqueFd const control{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
        request.ifr_flags = IFF_UP;
        made_ = made_ && ::ioctl(control.get(), SIOCSIFFLAGS, &request) == 0;
    }
    Namespace(Namespace const&) = delete;
    Namespace& operator=(Namespace const&) = delete;
    ~Namespace()
    {
        if (made_) remove();
    }

    [[nodiscard]] bool made() const { return made_; }
    /// Lets go of the tap, for the one who is tested.
    void release() { fd_.reset(); }
    void remove()
    {
        UniqueFd const fd{::open("/dev/net/tun", O_RDWR | O_CLOEXEC)};
        auto request = interface("ptap0");
        request.ifr_flags = flags_;
        if (::ioctl(fd.get(), TUNSETIFF, &request) == 0) ::ioctl(fd.get(), TUNSETPERSIST, 0UL);
    }

    static ifreq interface(char const* name)
    {
        ifreq request{};
        std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
        return request;
    }

  private:
    short const flags_;
    UniqueFd fd_;
    bool made_ = false;
};

/// The host's end: raw frames on the interface.
class HostEnd {
  public:
    HostEnd() : fd_{::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL))}
    {
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ETH_P_ALL);
        address.sll_ifindex = static_cast<int>(::if_nametoindex("ptap0"));
        REQUIRE(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        timeval const patience{10, 0};
        ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    }
    void send(Bytes const& frame) const { REQUIRE(::send(fd_.get(), frame.data(), frame.size(), 0) > 0); }
    /// The next frame of our own kind.
    [[nodiscard]] Bytes receive() const
    {
        for (;;) {
            Bytes frame(70000);
            auto const size = ::recv(fd_.get(), frame.data(), frame.size(), 0);
            if (size < 0) return {};
            frame.resize(static_cast<std::size_t>(size));
            if (frame.size() > 14 && frame[12] == std::byte{0x88} && frame[13] == std::byte{0xb5}) return frame;
        }
    }

  private:
    UniqueFd fd_;
};

/// Of the local experimental type (IEEE 802), which the kernel itself leaves alone.
inline Bytes frame_of(std::size_t size, unsigned mark)
{
    Bytes frame(size, static_cast<std::byte>(mark));
    for (std::size_t i = 0; i < 12; ++i)
        frame[i] = static_cast<std::byte>(i < 6 ? 0xff : 0x02);
    frame[12] = std::byte{0x88};
    frame[13] = std::byte{0xb5};
    return frame;
}

inline auto is(unsigned mark)
{
    return [mark](auto const& frame) {
        return frame.bytes.size() > 14 && frame.bytes[12] == std::byte{0x88} && frame.bytes[13] == std::byte{0xb5} &&
               frame.bytes[14] == static_cast<std::byte>(mark);
    };
}

inline bool send(Tap& tap, Bytes frame)
{
    std::array const pieces{iovec{frame.data(), 14}, iovec{frame.data() + 14, frame.size() - 14}};
    return tap.send({}, pieces);
}

/// False where there is no iproute2.
inline bool remove_tap()
{
    std::string const command = "ip link delete ptap0";
    return std::system(command.c_str()) == 0;
}

/// Runs a test in a network namespace, on a thread of its own because there is no way back.
template <typename Body>
void in_namespace(Body body, short flags = 0)
{
    bool made = false;
    std::async(std::launch::async, [&] {
        Namespace space{flags};
        made = space.made();
        if (made) body(space);
    }).get();
    if (!made) WARN("not tested: needs /dev/net/tun and the right to make a network namespace (run as root)");
}

} // namespace devices::net::testing
