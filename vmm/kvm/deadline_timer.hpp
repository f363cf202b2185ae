/// A one-shot timer that kicks the thread that made it, with no other thread to wake on the way.
#pragma once

#include "vmm/hypervisor/vcpu.hpp"

#include <chrono>
#include <ctime>

namespace vmm {

class DeadlineTimer final : public KickTimer {
  public:
    /// For the calling thread. Throws std::system_error.
    DeadlineTimer();
    ~DeadlineTimer() override;

    void arm(std::chrono::nanoseconds delay) override;
    void disarm() override;

  private:
    timer_t timer_{};
};

} // namespace vmm
