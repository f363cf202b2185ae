/// A device's clock on an io_context.
#pragma once

#include "devices/clock.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <memory>

namespace vmm {

class AsioClock final : public devices::Clock {
  public:
    /// Runs steadily from `start`, which is what it reads now.
    AsioClock(boost::asio::io_context& io, std::chrono::nanoseconds start);
    /// On the io_context, unless that has stopped or `detach` was called.
    ~AsioClock() override;

    /// One that reads the host's wall clock: UTC since 1970-01-01.
    [[nodiscard]] static std::chrono::nanoseconds utc();

    /// Calls nobody any more. On the io_context, or when that has stopped; afterwards this object may end on any
    /// thread.
    void detach();

    [[nodiscard]] std::chrono::nanoseconds now() const override;
    void on_deadline(std::function<void()> callback) override;
    void arm(std::chrono::nanoseconds deadline) override;
    void disarm() override;

  private:
    struct Timer;

    std::chrono::steady_clock::time_point const epoch_; ///< when now() was or would have been zero
    std::shared_ptr<Timer> timer_;                      ///< its handlers may still be queued when this object is gone
};

} // namespace vmm
