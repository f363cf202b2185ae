/// The thread that a frame backend owns, and the event that wakes it.
#pragma once

#include "devices/base/unique_fd.hpp"
#include "hv/vmbus/executor.hpp"

#include <atomic>
#include <csignal>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace devices::net {

/// Runs its body until it is asked to end. The thread takes no signals: those are for threads that expect them.
class BackendThread final : public hv::vmbus::Runner {
  public:
    /// Throws std::system_error when the machine has no descriptor or thread left.
    BackendThread();
    BackendThread(BackendThread const&) = delete;
    BackendThread& operator=(BackendThread const&) = delete;
    ~BackendThread() override { end(); }

    /// The body looks at `ending` whenever `event` is readable, and calls `clear` then.
    template <typename Body>
    void begin(Body body)
    {
        SignalsBlocked const blocked;
        thread_ = std::thread{std::move(body)};
    }
    /// Waits for the body's end. Not on the thread itself.
    void end();

    void run(std::function<void()> task) override;
    /// Runs what has come by now. For the body, when `event` was readable.
    void run_tasks();
    /// Runs what comes until `ending`. For a body that has nothing else to do any more.
    void run_tasks_until_end();

    void wake() const;
    void clear() const;
    [[nodiscard]] int event() const { return event_.get(); }
    [[nodiscard]] bool ending() const { return ending_.load(std::memory_order_acquire); }

  private:
    class SignalsBlocked {
      public:
        SignalsBlocked();
        SignalsBlocked(SignalsBlocked const&) = delete;
        SignalsBlocked& operator=(SignalsBlocked const&) = delete;
        ~SignalsBlocked();

      private:
        sigset_t before_;
    };

    UniqueFd event_;
    std::atomic<bool> ending_{false};
    std::mutex mutex_;
    std::vector<std::function<void()>> tasks_; // guarded by mutex_
    std::thread thread_;
};

} // namespace devices::net
