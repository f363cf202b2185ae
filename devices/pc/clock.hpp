/// Time for a device, and one deadline.
#pragma once

#include <chrono>
#include <functional>

namespace devices {

/// One device's clock. It should run steadily: a step of the host's wall clock is better hidden than passed on.
/// Callable from any thread; the device may hold its own lock while it calls.
class Clock {
  public:
    Clock() = default;
    Clock(Clock const&) = delete;
    Clock& operator=(Clock const&) = delete;
    virtual ~Clock() = default;

    /// Time since the clock's epoch: for the RTC 1970-01-01 (in UTC, or in local time where guests want it so), for
    /// the others any fixed point.
    [[nodiscard]] virtual std::chrono::nanoseconds now() const = 0;

    /// What arm() makes happen. The device sets it once, when it is built; it must not be called any more once the
    /// device is gone.
    virtual void on_deadline(std::function<void()> callback) = 0;

    /// Calls back once when now() has reached `deadline`: never before, never from within arm(). Replaces an earlier
    /// deadline, though the call for that one may still come.
    virtual void arm(std::chrono::nanoseconds deadline) = 0;
    virtual void disarm() = 0;
};

/// The clock of the battery-backed RTC: epoch 1970-01-01.
using WallClock = Clock;

} // namespace devices
