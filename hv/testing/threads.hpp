/// Threads for concurrency tests: started together, joined at the end of the scope, bounded in time. Checks are made
/// by the test's own thread once they are done.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace hv::testing {

/// Runs every body on a thread of its own and returns when all are done.
inline void run_together(std::vector<std::function<void()>> const& bodies)
{
    std::atomic<std::size_t> waiting{bodies.size()};
    std::vector<std::jthread> threads;
    threads.reserve(bodies.size());
    for (auto const& body : bodies) {
        threads.emplace_back([&waiting, &body] {
            waiting.fetch_sub(1);
            while (waiting.load() != 0)
                std::this_thread::yield();
            body();
        });
    }
}

/// When a test gives up waiting for something that should have happened.
class Patience {
  public:
    explicit Patience(std::chrono::milliseconds limit) : end_{std::chrono::steady_clock::now() + limit} {}

    [[nodiscard]] bool lasts() const { return std::chrono::steady_clock::now() < end_; }

  private:
    std::chrono::steady_clock::time_point end_;
};

/// A small reproducible source of choices.
class Choices {
  public:
    explicit Choices(std::uint64_t seed) : state_{seed * 2 + 1} {}

    [[nodiscard]] std::uint32_t below(std::uint32_t bound)
    {
        state_ = state_ * 6364136223846793005U + 1442695040888963407U;
        return static_cast<std::uint32_t>(state_ >> 33) % bound;
    }

  private:
    std::uint64_t state_;
};

} // namespace hv::testing
