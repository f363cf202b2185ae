/// The PC's three ways to reset the machine.
#pragma once

#include "devices/pc/byte_ports.hpp"
#include "devices/pc/power_events.hpp"
#include "hv/base/state.hpp"

#include <atomic>
#include <cstdint>

namespace devices {

/// Port 0xCF9, which the FADT names as its reset register: bit 2 going to 1 resets.
/// Source: Intel ICH9 datasheet §13.7.5 (Reset Control Register).
class ResetControlRegister final : public BytePorts {
  public:
    explicit ResetControlRegister(PowerEvents& events) : events_{events} {}

    void visit(hv::StateVisitor& visitor);

  private:
    [[nodiscard]] std::uint8_t read_byte(std::uint16_t offset) override;
    void write_byte(std::uint16_t offset, std::uint8_t value) override;

    PowerEvents& events_;
    std::atomic<std::uint8_t> value_{0};
};

/// Port 0x64, of a keyboard controller that only has its reset line: a command that pulses output bit 0 resets.
/// Its status says that a byte waits, however many are read, and that it takes commands: drivers give up on such a
/// controller at once, and nobody waits before a reset. OVMF's reads bytes as long as some wait (edk2
/// MdeModulePkg/Bus/Isa/Ps2KeyboardDxe), and gives up where the port reads as nobody's.
class KeyboardReset final : public BytePorts {
  public:
    static constexpr std::uint8_t byte_waits = 0x01;
    static constexpr std::uint8_t nobody = 0xFF; ///< as if no device decoded the port

    explicit KeyboardReset(PowerEvents& events, std::uint8_t status = byte_waits) : events_{events}, status_{status}
    {}

  private:
    [[nodiscard]] std::uint8_t read_byte(std::uint16_t offset) override;
    void write_byte(std::uint16_t offset, std::uint8_t value) override;

    PowerEvents& events_;
    std::uint8_t const status_;
};

/// Port 0x92, System Control Port A: bit 0 going to 1 resets, bit 1 (A20) is kept and has no effect.
class SystemControlPortA final : public BytePorts {
  public:
    explicit SystemControlPortA(PowerEvents& events) : events_{events} {}

    void visit(hv::StateVisitor& visitor);

  private:
    [[nodiscard]] std::uint8_t read_byte(std::uint16_t offset) override;
    void write_byte(std::uint16_t offset, std::uint8_t value) override;

    PowerEvents& events_;
    std::atomic<std::uint8_t> value_{0x02};
};

} // namespace devices
