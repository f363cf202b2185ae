/// Where a guest's VMBus does what need not be done at once.
#pragma once

#include <chrono>
#include <functional>

namespace hv::vmbus {

/// Runs tasks one after the other. Callable from any thread; a task may outlive whoever gave it, and is dropped
/// unrun when the machine ends.
class Executor {
  public:
    Executor() = default;
    Executor(Executor const&) = delete;
    Executor& operator=(Executor const&) = delete;
    virtual ~Executor() = default;

    virtual void run(std::function<void()> task) = 0; ///< soon, in the order given, never from within this call
    virtual void run_after(std::chrono::milliseconds delay, std::function<void()> task) = 0;
};

} // namespace hv::vmbus
