/// A user-mode network as it runs in its own process: libslirp, at the end of a link.
#pragma once

#include "devices/net/port_forward.hpp"
#include "devices/net/slirp_network.hpp"
#include "devices/net/user_network_link.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <poll.h>
#include <span>
#include <vector>

namespace devices::net {

/// For one thread.
class UserNetworkService {
  public:
    /// Throws std::system_error.
    explicit UserNetworkService(LinkEnd link);

    /// Loads libslirp and takes the host's ports. False when that cannot be: the other end has been told why.
    [[nodiscard]] bool open(std::vector<PortForward> const& forwards, BootFiles const& files = {});
    /// Tells the other end that it works, and works until that end goes. Throws when it can do so no longer.
    void run();

    /// Tells the other end that it does not work.
    void fail(char const* why) { socket_.send(LinkMessage::Failed, why); }

  private:
    void wait();
    void take_messages();
    void take_frames();
    void bring(std::span<std::byte const> frame);
    void publish();
    [[nodiscard]] bool paused() const { return paused_since_.has_value(); }

    using Clock = std::chrono::steady_clock;

    LinkMemory const memory_;
    LinkSocket socket_;
    FrameReader from_guest_;
    FrameWriter to_guest_;
    bool more_ = false; ///< frames of the guest's
    std::optional<Clock::time_point> paused_since_;
    std::vector<std::byte> frame_;
    std::vector<pollfd> polled_;
    std::optional<SlirpNetwork> network_;
};

} // namespace devices::net
