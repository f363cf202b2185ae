/// A VMBus's executor on an io_context.
#pragma once

#include "hv/vmbus/executor.hpp"

#include <boost/asio/io_context.hpp>

#include <memory>

namespace vmm {

class AsioExecutor final : public hv::vmbus::Executor {
  public:
    explicit AsioExecutor(boost::asio::io_context& io);
    ~AsioExecutor() override;

    /// Drops all tasks, also those that are still to come. On the io_context, or when that has stopped.
    void detach();

    /// Drops all tasks, on any thread: of one that runs on the io_context the end is waited for.
    void end();

    /// Runs `last` on the io_context, and then no task until `release`: what comes, and what falls due, waits.
    void hold(std::function<void()> last);
    /// Runs `first` there, and then what has waited. Does nothing when tasks are not held.
    void release(std::function<void()> first);

    void run(std::function<void()> task) override;
    [[nodiscard]] bool runs_here() const override;
    void run_after(std::chrono::milliseconds delay, std::function<void()> task) override;

  private:
    struct Shared;

    std::shared_ptr<Shared> const shared_; ///< its handlers may still be queued when this object is gone
};

} // namespace vmm
