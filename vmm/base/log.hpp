/// Porthole's log: spdlog, and a gate for messages that a guest can provoke.
#pragma once

#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace vmm {

/// Lets a few messages of one kind through, then one a second: what a guest does may never fill a disk.
class RateLimit {
  public:
    /// True when this message may be logged; then `suppressed` says how many were swallowed since the last one.
    [[nodiscard]] bool admit(std::uint64_t& suppressed);

  private:
    static constexpr std::uint32_t burst = 10;

    std::atomic<std::uint32_t> spent_{0};
    std::atomic<std::uint64_t> swallowed_{0};
    std::atomic<std::int64_t> next_ns_{0};
};

/// Logs a warning that a guest can cause as often as it likes.
template <typename... Args>
void warn_limited(RateLimit& limit, spdlog::format_string_t<Args...> format, Args&&... args)
{
    std::uint64_t suppressed = 0;
    if (!limit.admit(suppressed)) return;
    spdlog::warn(format, std::forward<Args>(args)...);
    if (suppressed > 0) spdlog::warn("({} more of these were not logged)", suppressed);
}

} // namespace vmm
