/// A partition's memory pool (TLFS 2.0a §7): what ports and connections are charged to. It is what keeps a hostile
/// guest's ports from eating the host: nothing is allocated for a partition that it has not been charged for.
#pragma once

#include <atomic>
#include <cstdint>

namespace hv {

class MemoryPool {
  public:
    explicit MemoryPool(std::uint64_t bytes) : size_{bytes}, free_{bytes} {}

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

    // The pool of a partition whose parent deposits memory; each called by one thread at a time.

    void grow(std::uint64_t bytes)
    {
        size_ += bytes;
        release(bytes);
    }
    /// False, and nothing taken away, when that much is not free.
    [[nodiscard]] bool shrink(std::uint64_t bytes)
    {
        if (!charge(bytes)) return false;
        size_ -= bytes;
        return true;
    }
    /// Nothing that was charged is in use any more.
    void release_all() { free_.store(size_, std::memory_order_relaxed); }

    [[nodiscard]] std::uint64_t free_bytes() const { return free_.load(std::memory_order_relaxed); }

  private:
    std::uint64_t size_;
    std::atomic<std::uint64_t> free_;
};

} // namespace hv
