/// Says which UNIX sockets are ready. Each is asked about once at a time.
#pragma once

#include "devices/base/unique_fd.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>

namespace devices::vmbus::socket {

/// Callable from any thread. A descriptor leaves it by being closed.
class Poller {
  public:
    /// Throws std::system_error when the machine has no descriptor left.
    Poller();

    /// `events` are EPOLLIN and EPOLLOUT; the next one that comes is told under `id`, and then nothing before the
    /// next call.
    void ask(int fd, std::uint64_t id, std::uint32_t events) const;

    /// Waits for events, or for a time; calls `ready` for each.
    void wait(std::optional<std::chrono::milliseconds> time,
              std::function<void(std::uint64_t id, std::uint32_t events)> const& ready) const;

  private:
    UniqueFd fd_;
};

} // namespace devices::vmbus::socket
