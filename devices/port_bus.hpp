/// Decodes the I/O ports of one machine: which device answers which port.
#pragma once

#include "devices/port_io.hpp"

#include <cstdint>
#include <vector>

namespace devices {

class PortBus {
  public:
    /// Claims `count` ports from `first`. The device must outlive the bus. Throws std::logic_error when another
    /// device has claimed one of them. Called while the machine is built, before any VP runs.
    void map(std::uint16_t first, std::uint16_t count, PortDevice& device);

    /// A port that no device claims reads as all ones, as on a PC.
    [[nodiscard]] std::uint32_t read(std::uint16_t port, unsigned size) const;
    void write(std::uint16_t port, unsigned size, std::uint32_t value) const;

  private:
    struct Range {
        std::uint16_t first;
        std::uint16_t count;
        PortDevice* device;
    };

    [[nodiscard]] Range const* find(std::uint16_t port) const;

    std::vector<Range> ranges_; // a dozen at most
};

} // namespace devices
