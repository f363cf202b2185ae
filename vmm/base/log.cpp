#include "vmm/base/log.hpp"

namespace vmm {

bool RateLimit::admit(std::uint64_t& suppressed)
{
    if (spent_.load(std::memory_order_relaxed) < burst && spent_.fetch_add(1, std::memory_order_relaxed) < burst)
        return true;

    auto const now = std::chrono::steady_clock::now().time_since_epoch().count();
    auto next = next_ns_.load(std::memory_order_relaxed);
    if (now < next || !next_ns_.compare_exchange_strong(next, now + 1'000'000'000)) {
        swallowed_.fetch_add(1, std::memory_order_relaxed);
        return false;
    }
    suppressed = swallowed_.exchange(0, std::memory_order_relaxed);
    return true;
}

} // namespace vmm
