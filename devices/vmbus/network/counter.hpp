/// A number that one thread at a time counts up, and any may read.
#pragma once

#include <atomic>
#include <cstdint>

namespace devices::network {

class Counter {
  public:
    void add(std::uint64_t n = 1) { value_.store(value() + n, std::memory_order_relaxed); }
    void set(std::uint64_t n) { value_.store(n, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

} // namespace devices::network
