/// The port by which a test kernel ends its run with a result.
#pragma once

#include "devices/pc/port_io.hpp"

#include <cstdint>
#include <functional>

namespace devices {

/// A write of v, of any size, ends the run with status (v << 1) | 1, which is never success. Reads give 0.
/// Source: QEMU's isa-debug-exit device, as public test kernels use it.
class DebugExit final : public PortDevice {
  public:
    /// `ended` is called on the vCPU thread that wrote, each time; what fits of the status is the caller's matter.
    explicit DebugExit(std::function<void(std::uint32_t status)> ended);

    [[nodiscard]] std::uint32_t read(std::uint16_t offset, unsigned size) override;
    void write(std::uint16_t offset, unsigned size, std::uint32_t value) override;

  private:
    std::function<void(std::uint32_t)> ended_;
};

} // namespace devices
