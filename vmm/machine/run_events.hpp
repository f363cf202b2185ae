/// What happens to the guests of a run, on its way to the thread that decides what follows.
#pragma once

#include "vmm/machine/outcome.hpp"

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <variant>

namespace vmm {

/// A guest can run no further.
struct GuestEnded {
    std::size_t guest;
    Outcome outcome;
};
/// A guest has reported a crash, and goes on.
struct GuestCrashed {
    std::size_t guest;
    std::string text; ///< whole lines
};
/// A guest has given its ready signal.
struct GuestReady {
    std::size_t guest;
};
/// All vCPUs of a guest that was asked to pause are out of it.
struct GuestParked {
    std::size_t guest;
    std::uint64_t pause; ///< which one
};
/// The user wants to end all at once.
struct UserQuits {};
/// A signal of the kind that ends a process.
struct SignalCame {
    int number;
};
/// Porthole itself cannot go on.
struct LoopFailed {
    std::string why;
};

/// Something to do for which the guests must stay as they are.
struct Task {
    std::function<void()> run;
};

using RunEvent =
    std::variant<GuestEnded, GuestCrashed, GuestReady, GuestParked, UserQuits, SignalCame, LoopFailed, Task>;

class RunEvents {
  public:
    /// From any thread.
    void push(RunEvent event)
    {
        {
            std::lock_guard const guard{lock_};
            events_.push_back(std::move(event));
        }
        some_.notify_one();
    }

    /// Waits for the next.
    [[nodiscard]] RunEvent take()
    {
        std::unique_lock lock{lock_};
        some_.wait(lock, [this] { return !events_.empty(); });
        auto event = std::move(events_.front());
        events_.pop_front();
        return event;
    }

  private:
    std::mutex lock_;
    std::condition_variable some_;
    std::deque<RunEvent> events_; // guarded by lock_
};

} // namespace vmm
