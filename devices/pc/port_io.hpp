/// What a device behind I/O ports offers to the machine that decodes them.
#pragma once

#include <cstdint>

namespace devices {

/// A range of I/O ports. Both calls come from vCPU threads, several at once: a device guards its own state.
/// `offset` counts from the first port that the device was mapped at; `size` is 1, 2 or 4 bytes.
class PortDevice {
  public:
    PortDevice() = default;
    PortDevice(PortDevice const&) = delete;
    PortDevice& operator=(PortDevice const&) = delete;
    virtual ~PortDevice() = default;

    [[nodiscard]] virtual std::uint32_t read(std::uint16_t offset, unsigned size) = 0;
    virtual void write(std::uint16_t offset, unsigned size, std::uint32_t value) = 0;
};

/// A level- or edge-triggered interrupt wire into the guest's interrupt controllers. Callable from any thread.
class IrqLine {
  public:
    IrqLine() = default;
    IrqLine(IrqLine const&) = delete;
    IrqLine& operator=(IrqLine const&) = delete;
    virtual ~IrqLine() = default;

    virtual void set(bool asserted) = 0;
};

} // namespace devices
