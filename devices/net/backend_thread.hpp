/// The thread that a frame backend owns, and the event that wakes it.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/base/guarded_thread.hpp"
#include "devices/base/unique_fd.hpp"
#include "hv/base/quiesce.hpp"
#include "hv/vmbus/executor.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

namespace devices::net {

/// Runs its body until it is asked to end. The thread takes no signals: those are for threads that expect them.
class BackendThread final : public hv::vmbus::Runner {
  public:
    /// `role` is the thread's. Throws std::system_error when the machine has no descriptor or thread left.
    explicit BackendThread(ThreadRole role);
    BackendThread(BackendThread const&) = delete;
    BackendThread& operator=(BackendThread const&) = delete;
    ~BackendThread() override { end(); }

    /// The body looks at `ending` whenever `event` is readable, and calls `clear` then. When it throws, `failed` is
    /// called with what the exception says, on the same thread.
    template <typename Body, typename Failed>
    void begin(Body body, Failed failed)
    {
        auto whole = [this, body = std::move(body), failed = std::move(failed)]() mutable {
            contain(body, failed);
            set_running(false);
        };
        set_running(true);
        try {
            thread_ = guarded_thread(role_, std::move(whole), [](char const*) {});
        } catch (...) {
            set_running(false);
            throw;
        }
    }
    /// Waits for the body's end. Not on the thread itself.
    void end();

    void run(std::function<void()> task) override;
    /// Runs what has come by now. For the body, when `event` was readable. Throws what one of them threw, at the end.
    void run_tasks();
    /// Runs what comes until `ending`. For a body that has nothing else to do any more.
    void run_tasks_until_end();

    /// The body is to rest where it next calls `rest_if_asked`; until then it keeps `busy`. From any other thread.
    void quiesce(hv::StillBusy busy);
    void resume();
    /// For the body, when `event` was readable, where it is in the middle of nothing: waits for `resume`, or
    /// `ending`, if it is to rest. Returns how long that took.
    std::chrono::nanoseconds rest_if_asked();

    void wake() const;
    void clear() const;
    [[nodiscard]] int event() const { return event_.get(); }
    [[nodiscard]] bool ending() const { return ending_.load(std::memory_order_acquire); }

  private:
    struct Work {
        bool running = false; ///< the body
        hv::StillBusy busy{};
        std::vector<std::function<void()>> tasks{};
    };

    void set_running(bool running);

    ThreadRole const role_;
    UniqueFd event_;
    std::atomic<bool> ending_{false}; ///< these two change while the work is locked
    std::atomic<bool> rest_wanted_{false};
    Guarded<Work, LockRank::Leaf> work_;
    std::condition_variable_any rest_over_;
    std::thread thread_;
};

} // namespace devices::net
