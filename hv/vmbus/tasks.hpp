/// Tasks on an executor that are dropped when their owner is gone.
#pragma once

#include "hv/vmbus/executor.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <utility>

namespace hv::vmbus {

/// Callable from any thread. The owner's last reference may go at any time, but for while one of its tasks runs.
class Tasks {
  public:
    Tasks(std::shared_ptr<Executor> executor, std::weak_ptr<void> owner)
        : executor_{std::move(executor)}, owner_{std::move(owner)}
    {}

    void run(std::function<void()> task) const { executor_->run(guarded(std::move(task))); }
    void run_after(std::chrono::milliseconds delay, std::function<void()> task) const
    {
        executor_->run_after(delay, guarded(std::move(task)));
    }

  private:
    [[nodiscard]] std::function<void()> guarded(std::function<void()> task) const
    {
        return [owner = owner_, task = std::move(task)] {
            if (auto const alive = owner.lock()) task();
        };
    }

    std::shared_ptr<Executor> executor_;
    std::weak_ptr<void> owner_;
};

} // namespace hv::vmbus
