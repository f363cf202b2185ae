/// A backend's own thread that takes turns with the fuzz target's: it runs when the target says so, and until it
/// would wait. So the same input does the same, whatever else the machine does. Time stands still unless the target
/// moves it.
#pragma once

#include "hv/fuzz/input.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

namespace devices::fuzz {

/// What CLOCK_MONOTONIC says in this program: lockstep.cpp replaces clock_gettime(2).
[[nodiscard]] std::chrono::milliseconds now();
void pass(std::chrono::nanoseconds time);

class Lockstep {
  public:
    /// Of the target's thread. Any other one that comes to `wait` is the backend's.
    Lockstep();
    Lockstep(Lockstep const&) = delete;
    Lockstep& operator=(Lockstep const&) = delete;
    ~Lockstep();

    /// The one of this process, or nullptr.
    [[nodiscard]] static Lockstep* current();

    /// Stands for the call that the backend's thread waits by. `look` is that call with another time-out in
    /// milliseconds; negative is for ever.
    template <typename Look>
    int wait(Look look, int timeout_ms)
    {
        mark_thread();
        auto const due = now() + std::chrono::milliseconds{timeout_ms};
        for (;;) {
            auto const found = look(0);
            if (found != 0 || (timeout_ms >= 0 && now() >= due)) {
                hv::fuzz::require(++turns_ < most_turns, "a backend's thread comes to rest");
                return found;
            }
            if (!rest()) return look(timeout_ms);
        }
    }

    /// Has the backend's thread run until it waits for something that has not happened, or has ended.
    void settle();
    /// From now on it waits as any thread does. Before it is told to end.
    void release();

  private:
    static constexpr unsigned most_turns = 100'000; ///< between two rests

    void mark_thread();
    /// False when nobody says any more when to go on.
    [[nodiscard]] bool rest();

    friend struct ThreadEnd;
    void ended();

    std::mutex mutex_;
    std::condition_variable changed_;
    bool resting_ = false; ///< guarded by mutex_, as is all below but turns_
    bool may_run_ = false;
    bool released_ = false;
    bool ended_ = false;
    unsigned turns_ = 0; ///< the backend's thread's while it runs
};

} // namespace devices::fuzz
