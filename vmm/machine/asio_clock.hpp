/// A device's clock on an io_context.
#pragma once

#include "devices/base/component.hpp"
#include "devices/pc/clock.hpp"

#include <boost/asio/io_context.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>

namespace vmm {

class AsioClock final : public devices::Clock, public devices::Component {
  public:
    /// Runs steadily from `start`, which is what it reads now.
    AsioClock(boost::asio::io_context& io, std::chrono::nanoseconds start);
    /// On the io_context, unless that has stopped or `detach` was called.
    ~AsioClock() override;

    /// One that reads the host's wall clock: UTC since 1970-01-01.
    [[nodiscard]] static std::chrono::nanoseconds utc();
    /// The same in the host's local time of now (TZ, or else /etc/localtime): later changes, such as that to summer
    /// time, are the guest's business.
    [[nodiscard]] static std::chrono::nanoseconds local();

    /// Calls nobody any more. On the io_context, or when that has stopped; afterwards this object may end on any
    /// thread.
    void detach();

    /// It goes on, but the deadline's call waits until `resume`. On the io_context, soon.
    void quiesce(hv::StillBusy busy) override;
    void resume() override;

    /// Stands still from now on; deadlines wait as well.
    void stop();
    /// Goes on from where it stands.
    void go_on();

    [[nodiscard]] std::chrono::nanoseconds now() const override;
    void on_deadline(std::function<void()> callback) override;
    void arm(std::chrono::nanoseconds deadline) override;
    void disarm() override;

  private:
    struct Timer;

    using Nanoseconds = std::chrono::nanoseconds;

    void set_timer(); // with lock_ held

    std::atomic<Nanoseconds> epoch_; ///< on the host's steady clock: when now() was or would have been zero
    std::atomic<Nanoseconds> stopped_{Nanoseconds::min()}; ///< where it stands still; min: it does not
    std::mutex lock_;                                      // changes of all but timer_
    std::optional<Nanoseconds> deadline_;
    std::shared_ptr<Timer> timer_; ///< its handlers may still be queued when this object is gone
};

} // namespace vmm
