#include "devices/pc/reset_control.hpp"

namespace devices {

namespace {

constexpr std::uint8_t system_reset = 0x02; // RST_CNT: hard reset rather than INIT
constexpr std::uint8_t reset_cpu = 0x04;
constexpr std::uint8_t full_reset = 0x08;

constexpr std::uint8_t pulse_mask = 0xF1;
constexpr std::uint8_t pulse_reset = 0xF0; // commands 0xF0-0xFF pulse the output lines whose bits are 0

constexpr std::uint8_t fast_reset = 0x01;
constexpr std::uint8_t a20 = 0x02;

} // namespace

std::uint8_t ResetControlRegister::read_byte(std::uint16_t offset)
{
    return offset == 0 ? value_.load() : 0xFF;
}

void ResetControlRegister::write_byte(std::uint16_t offset, std::uint8_t value)
{
    if (offset != 0) return;
    value_ = value & (system_reset | full_reset);
    if (value & reset_cpu) events_.reset();
}

void ResetControlRegister::visit(hv::StateVisitor& visitor)
{
    std::uint64_t value = value_;
    visitor.number("reset_control", value);
    value_ = value & (system_reset | full_reset);
}

std::uint8_t KeyboardReset::read_byte(std::uint16_t offset)
{
    return offset == 0 ? status_ : 0xFF;
}

void KeyboardReset::write_byte(std::uint16_t offset, std::uint8_t value)
{
    if (offset == 0 && (value & pulse_mask) == pulse_reset) events_.reset();
}

std::uint8_t SystemControlPortA::read_byte(std::uint16_t offset)
{
    return offset == 0 ? value_.load() : 0xFF;
}

void SystemControlPortA::write_byte(std::uint16_t offset, std::uint8_t value)
{
    if (offset != 0) return;
    value_ = value & a20;
    if (value & fast_reset) events_.reset();
}

void SystemControlPortA::visit(hv::StateVisitor& visitor)
{
    std::uint64_t value = value_;
    visitor.number("system_control_a", value);
    value_ = value & a20;
}

} // namespace devices
