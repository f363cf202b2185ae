/// A partition's memory pool (TLFS 2.0a §7): what ports and connections are charged to. It is what keeps a hostile
/// guest's ports from eating the host: nothing is allocated for a partition that it has not been charged for.
#pragma once

#include <atomic>
#include <cstdint>

namespace hv {

class MemoryPool {
  public:
    explicit MemoryPool(std::uint64_t bytes) : free_{bytes} {}

    /// False, and nothing charged, when the pool has not that much left. Callable from any thread.
    [[nodiscard]] bool charge(std::uint64_t bytes)
    {
        auto free = free_.load(std::memory_order_relaxed);
        while (free >= bytes) {
            if (free_.compare_exchange_weak(free, free - bytes, std::memory_order_relaxed)) return true;
        }
        return false;
    }

    void release(std::uint64_t bytes) { free_.fetch_add(bytes, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t free_bytes() const { return free_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> free_;
};

} // namespace hv
