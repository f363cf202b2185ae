/// The thread that a frame backend owns, and the event that wakes it.
#pragma once

#include "devices/base/guarded_thread.hpp"
#include "devices/base/unique_fd.hpp"
#include "hv/vmbus/executor.hpp"

#include <atomic>
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

    /// The body looks at `ending` whenever `event` is readable, and calls `clear` then. When it throws, `failed` is
    /// called with what the exception says, on the same thread.
    template <typename Body, typename Failed>
    void begin(Body body, Failed failed)
    {
        thread_ = guarded_thread(std::move(body), std::move(failed));
    }
    /// Waits for the body's end. Not on the thread itself.
    void end();

    void run(std::function<void()> task) override;
    /// Runs what has come by now. For the body, when `event` was readable. Throws what one of them threw, at the end.
    void run_tasks();
    /// Runs what comes until `ending`. For a body that has nothing else to do any more.
    void run_tasks_until_end();

    void wake() const;
    void clear() const;
    [[nodiscard]] int event() const { return event_.get(); }
    [[nodiscard]] bool ending() const { return ending_.load(std::memory_order_acquire); }

  private:
    UniqueFd event_;
    std::atomic<bool> ending_{false};
    std::mutex mutex_;
    std::vector<std::function<void()>> tasks_; // guarded by mutex_
    std::thread thread_;
};

} // namespace devices::net
