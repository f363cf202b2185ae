/// How much a channel may be served before others come first.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace devices::vmbus {

/// The limits of a turn. The packet that exceeds the last of them is still served.
struct TurnLimits {
    unsigned packets = 64;
    std::uint64_t bytes = std::uint64_t{4} << 20; ///< that packets make the thread move, besides their own
};

/// One turn: what is left of its limits.
class Turn {
  public:
    /// `holds` counts those who want that nothing is served (ChannelWorker::hold).
    Turn(TurnLimits limits, std::atomic<unsigned> const& holds, bool on_runner)
        : left_{limits}, holds_{holds}, on_runner_{on_runner}
    {}

    /// Whether it is to end, although packets may be left.
    [[nodiscard]] bool over() const
    {
        return left_.packets == 0 || left_.bytes == 0 || holds_.load(std::memory_order_relaxed) != 0;
    }
    /// Whether it runs on the worker's runner rather than on the thread of whoever signalled.
    [[nodiscard]] bool on_runner() const { return on_runner_; }

    void count_packet()
    {
        if (left_.packets > 0) --left_.packets;
    }
    void count_bytes(std::uint64_t bytes) { left_.bytes -= std::min(bytes, left_.bytes); }

  private:
    TurnLimits left_;
    std::atomic<unsigned> const& holds_;
    bool const on_runner_;
};

} // namespace devices::vmbus
