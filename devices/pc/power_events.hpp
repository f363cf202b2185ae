/// What a guest asks of its machine as a whole.
#pragma once

namespace devices {

/// Called on the vCPU thread that made the request, without any device lock; it should only take note and return.
class PowerEvents {
  public:
    PowerEvents() = default;
    PowerEvents(PowerEvents const&) = delete;
    PowerEvents& operator=(PowerEvents const&) = delete;
    virtual ~PowerEvents() = default;

    virtual void power_off() = 0;
    virtual void reset() = 0;
};

} // namespace devices
