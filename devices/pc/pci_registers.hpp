/// Numbers of a function's configuration space. Source: PCI Local Bus Specification 3.0 §6.1, §6.2, §6.7 and §6.8.
#pragma once

#include <cstdint>

namespace devices::pci {

// Registers, as numbers of dwords.
inline constexpr unsigned identity = 0;
inline constexpr unsigned command_status = 1;
inline constexpr unsigned class_revision = 2;
inline constexpr unsigned header = 3; ///< cache line size, latency timer, header type
inline constexpr unsigned first_bar = 4;
inline constexpr unsigned bars = 6;
inline constexpr unsigned subsystem = 11;
inline constexpr unsigned expansion_rom = 12;
inline constexpr unsigned capabilities = 13;
inline constexpr unsigned interrupt = 15; ///< line and pin
inline constexpr unsigned first_capability = 16;
inline constexpr unsigned dwords = 64;

// Command, and status in the upper half of the same dword.
inline constexpr std::uint32_t decode_io = 1U << 0;
inline constexpr std::uint32_t decode_memory = 1U << 1;
inline constexpr std::uint32_t bus_master = 1U << 2;
inline constexpr std::uint32_t parity_response = 1U << 6;
inline constexpr std::uint32_t serr_enable = 1U << 8;
inline constexpr std::uint32_t interrupt_disable = 1U << 10;
inline constexpr std::uint32_t has_capabilities = 1U << 20;

inline constexpr std::uint32_t multi_function = 1U << 23; ///< of `header`

// The low bits of a base address register, and of the expansion ROM's.
inline constexpr std::uint32_t bar_io = 1U << 0;
inline constexpr std::uint32_t bar_64bit = 2U << 1;
inline constexpr std::uint32_t bar_prefetchable = 1U << 3;
inline constexpr std::uint32_t rom_enable = 1U << 0;

// Capabilities.
inline constexpr std::uint8_t msi = 0x05;
inline constexpr std::uint8_t msix = 0x11;

/// What a dword becomes when the bytes of `mask` are written.
constexpr std::uint32_t merged(std::uint32_t before, std::uint32_t value, std::uint32_t mask)
{
    return (before & ~mask) | (value & mask);
}

} // namespace devices::pci
