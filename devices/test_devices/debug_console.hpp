/// The simplest console there is: a port that prints.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/pc/port_io.hpp"
#include "devices/pc/serial_sink.hpp"

#include <cstdint>
#include <functional>

namespace devices {

/// A byte written goes to the sink; a byte read is 0xE9, by which a guest knows that the port is there.
/// Other sizes do nothing. Source: the Bochs and QEMU debug console.
class DebugConsole final : public PortDevice {
  public:
    explicit DebugConsole(SerialSink& sink) : sink_{sink} {}

    [[nodiscard]] std::uint32_t read(std::uint16_t offset, unsigned size) override;
    void write(std::uint16_t offset, unsigned size, std::uint32_t value) override;

  private:
    Guarded<std::reference_wrapper<SerialSink>, LockRank::Leaf> sink_; ///< one character at a time
};

} // namespace devices
