/// Frames of a guest on the user-mode network, and what tests need of the host.
#pragma once

#include "devices/net/testing/recorders.hpp"
#include "devices/net/user_network.hpp"
#include "devices/net/user_network_service.hpp"
#include "hv/testing/catch.hpp"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace devices::net::testing {

using Bytes = std::vector<std::byte>;

inline void put(Bytes& out, std::initializer_list<unsigned> bytes)
{
    for (auto const b : bytes)
        out.push_back(static_cast<std::byte>(b));
}

inline unsigned at(RecordedFrame const& frame, std::size_t offset)
{
    return std::to_integer<unsigned>(frame.bytes.at(offset));
}

/// DHCPDISCOVER (RFC 2131) in Ethernet, IPv4 and UDP without a checksum.
inline Bytes discover()
{
    Bytes frame;
    put(frame, {255, 255, 255, 255, 255, 255, 0x52, 0x54, 0, 1, 2, 3, 8, 0});
    put(frame, {0x45, 0, 0x01, 0x10, 0, 1, 0, 0, 64, 17, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255});
    auto const sum = [&] {
        unsigned total = 0;
        for (std::size_t i = 14; i < 34; i += 2)
            total += std::to_integer<unsigned>(frame[i]) << 8 | std::to_integer<unsigned>(frame[i + 1]);
        return ~((total & 0xffff) + (total >> 16));
    }();
    frame[24] = static_cast<std::byte>(sum >> 8);
    frame[25] = static_cast<std::byte>(sum);
    put(frame, {0, 68, 0, 67, 0, 252, 0, 0});
    put(frame, {1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef}); // request, Ethernet, xid
    frame.resize(frame.size() + 20);                  // secs, flags, addresses
    put(frame, {0x52, 0x54, 0, 1, 2, 3});
    frame.resize(frame.size() + 10 + 64 + 128);
    put(frame, {0x63, 0x82, 0x53, 0x63, 53, 1, 1, 255}); // magic cookie, DHCPDISCOVER, end
    return frame;
}

/// DHCPOFFER.
inline bool is_offer(RecordedFrame const& frame)
{
    return frame.bytes.size() > 285 && at(frame, 12) == 8 && at(frame, 23) == 17 && at(frame, 37) == 68;
}

/// A user-mode network whose other end is a thread of the test's, and no process.
class LocalNetwork {
  public:
    explicit LocalNetwork(
        std::vector<PortForward> const& forwards, UserNetwork::Warn warn = [](auto const&) {})
    {
        auto link = make_link();
        service_ = std::thread{[end = std::move(link.network), forwards]() mutable {
            UserNetworkService service{std::move(end)};
            if (service.open(forwards)) service.run();
        }};
        try {
            network_.emplace(std::move(link.vmm), nullptr, std::move(warn));
        } catch (...) {
            service_.join();
            throw;
        }
    }
    LocalNetwork(LocalNetwork const&) = delete;
    LocalNetwork& operator=(LocalNetwork const&) = delete;
    ~LocalNetwork()
    {
        network_.reset();
        service_.join();
    }

    [[nodiscard]] UserNetwork& end() { return *network_; }
    void start(FrameReceiver& receiver) { network_->start(receiver); }
    void listen(ReceiveOffloads offloads) { network_->listen(offloads); }
    void stop() { network_->stop(); }
    void quiesce(hv::StillBusy busy) { network_->quiesce(std::move(busy)); }
    void resume() { network_->resume(); }
    bool send(Offload const& offload, std::span<iovec const> frame) { return network_->send(offload, frame); }
    void inspect(hv::Inspector& inspector) const { network_->inspect(inspector); }

  private:
    std::thread service_;
    std::optional<UserNetwork> network_;
};

/// One whose other end is the test itself, and says so far that it works.
struct PlayedNetwork {
    LinkPair link = make_link();
    LinkSocket socket{std::move(link.network.socket)};
    LinkMemory memory{link.network.memory.get()};
    LinkMemory::Head& head = memory.head();
    FrameWriter to_guest{head.to_guest, memory.to_guest()};
    FrameReader from_guest{head.to_network, memory.to_network()};
    bool ready = socket.send(LinkMessage::Ready);
    std::vector<std::string> warnings{}; ///< the backend's thread's
    UserNetwork end{std::move(link.vmm), nullptr, [this](auto const& text) { warnings.push_back(text); }};

    void bring(Bytes frame)
    {
        iovec const whole{frame.data(), frame.size()};
        REQUIRE(to_guest.put({}, {&whole, 1}, frame.size()));
        if (to_guest.publish()) REQUIRE(socket.send(LinkMessage::Wake));
    }
};

template <typename Network>
bool send(Network& network, Bytes frame, Offload const& offload = {})
{
    // In three pieces, as a guest may have it.
    std::array const pieces{iovec{frame.data(), 14}, iovec{frame.data() + 14, 0},
                            iovec{frame.data() + 14, frame.size() - 14}};
    return network.send(offload, pieces);
}

/// A port of the host that nothing uses at the moment.
inline std::uint16_t free_port()
{
    auto const fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    ::close(fd);
    return ntohs(address.sin_port);
}

} // namespace devices::net::testing
