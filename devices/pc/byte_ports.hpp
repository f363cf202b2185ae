/// A device whose registers are one byte wide, as on the ISA bus.
#pragma once

#include "devices/pc/port_io.hpp"

#include <cstdint>

namespace devices {

/// Splits a wide access into byte accesses to consecutive ports, as an ISA bridge does. A port beyond the device's
/// registers reads as 0xFF and swallows writes; the device sees to that, for any offset.
class BytePorts : public PortDevice {
  public:
    [[nodiscard]] std::uint32_t read(std::uint16_t offset, unsigned size) final
    {
        std::uint32_t value = 0;
        for (unsigned i = 0; i < size; ++i)
            value |= std::uint32_t{read_byte(static_cast<std::uint16_t>(offset + i))} << (8 * i);
        return value;
    }

    void write(std::uint16_t offset, unsigned size, std::uint32_t value) final
    {
        for (unsigned i = 0; i < size; ++i)
            write_byte(static_cast<std::uint16_t>(offset + i), static_cast<std::uint8_t>(value >> (8 * i)));
    }

  private:
    [[nodiscard]] virtual std::uint8_t read_byte(std::uint16_t offset) = 0;
    virtual void write_byte(std::uint16_t offset, std::uint8_t value) = 0;
};

} // namespace devices
