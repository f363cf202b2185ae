/// A one-shot timer that kicks the thread that made it: a synthetic timer expires on its VP's own thread, with no
/// other thread to wake on the way.
#pragma once

#include <chrono>
#include <ctime>

namespace vmm {

class DeadlineTimer {
  public:
    /// For the calling thread. Throws std::system_error.
    DeadlineTimer();
    DeadlineTimer(DeadlineTimer const&) = delete;
    DeadlineTimer& operator=(DeadlineTimer const&) = delete;
    ~DeadlineTimer();

    /// Kicks after `delay` > 0; replaces what was armed before.
    void arm(std::chrono::nanoseconds delay) const;
    void disarm() const;

  private:
    timer_t timer_{};
};

} // namespace vmm
