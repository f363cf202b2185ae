/// Where a guest's VMBus does what need not be done at once.
#pragma once

#include <chrono>
#include <functional>

namespace hv::vmbus {

/// Runs tasks one after the other, on one thread. Callable from any thread.
class Runner {
  public:
    Runner() = default;
    Runner(Runner const&) = delete;
    Runner& operator=(Runner const&) = delete;
    virtual ~Runner() = default;

    /// Runs the task soon, in the order given, never from within this call. It may outlive whoever gave it, and is
    /// dropped unrun when the thread ends.
    virtual void run(std::function<void()> task) = 0;
    /// Whether this is the thread that runs the tasks, as far as that is known.
    [[nodiscard]] virtual bool runs_here() const { return false; }
};

class Executor : public Runner {
  public:
    virtual void run_after(std::chrono::milliseconds delay, std::function<void()> task) = 0;
};

} // namespace hv::vmbus
