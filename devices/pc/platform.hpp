/// The fixed numbers of the machine that a guest sees: I/O ports and interrupt lines. ACPI tables, devices and tests
/// take them from here.
#pragma once

#include "hv/vp/hypercall_page.hpp"

#include <cstdint>

namespace devices::platform {

struct PortRange {
    std::uint16_t first;
    std::uint16_t count;
};

/// Where a function sits on bus 0.
struct PciSlot {
    unsigned device;   ///< 0 to 31
    unsigned function; ///< 0 to 7
};

/// A global system interrupt, which on this machine is also the ISA interrupt of the same number.
struct Irq {
    unsigned gsi;
};

// PC hardware.
inline constexpr PortRange keyboard_command{0x64, 1}; ///< of a keyboard controller that only knows how to reset
inline constexpr PortRange rtc{0x70, 2};
inline constexpr PortRange system_control_a{0x92, 1}; ///< fast reset
inline constexpr PortRange com1{0x3F8, 8};
inline constexpr PortRange pci_config_address{0xCF8, 1}; ///< a dword register: other sizes are not its own
inline constexpr PortRange reset_control{0xCF9, 1};
inline constexpr PortRange pci_config_data{0xCFC, 4};

inline constexpr Irq com1_irq{4};
inline constexpr Irq rtc_irq{8};

// ACPI fixed hardware (ACPI 6.5 §4.8). The SCI is level-triggered.
inline constexpr PortRange acpi_pm{0x600, 14};          ///< the four blocks below, as one device
inline constexpr PortRange acpi_pm1a_event{0x600, 4};   ///< PM1a_EVT_BLK
inline constexpr PortRange acpi_pm1a_control{0x604, 2}; ///< PM1a_CNT_BLK
inline constexpr PortRange acpi_pm_timer{0x608, 4};     ///< PM_TMR_BLK, 32 bits wide (TMR_VAL_EXT)
inline constexpr PortRange acpi_gpe0{0x60C, 2};         ///< GPE0_BLK: a status byte, and an enable byte
inline constexpr Irq acpi_sci{9};

/// A bit of that block. The DSDT has a method for each.
struct GeneralPurposeEvent {
    unsigned number;
};
inline constexpr GeneralPurposeEvent generation_changed{0}; ///< _E00: of the generation counter

inline constexpr std::uint8_t acpi_s5_sleep_type = 5;  ///< SLP_TYPa that _S5 names
inline constexpr std::uint8_t reset_control_value = 6; ///< what the FADT's RESET_VALUE says to write to reset_control
inline constexpr std::uint8_t cmos_century_index = 0x32; ///< the FADT's CENTURY

// Hypercall pages exit here (one OUT AL each); PC hardware leaves both ports free.
inline constexpr std::uint16_t hypercall_port_64 = hv::hypercall_port_64bit;
inline constexpr std::uint16_t hypercall_port_32 = hv::hypercall_port_32bit;

// With --test-devices only: what public test kernels expect, and the root's test peer.
inline constexpr PortRange debug_console{0xE9, 1};
inline constexpr PortRange debug_exit{0xF4, 4};
inline constexpr PortRange fw_cfg{0x510, 2};
inline constexpr PortRange synic_test_device{0x3000, 4};
inline constexpr PortRange test_peer{0x3010, 4};
inline constexpr PciSlot pci_test_function{16, 0};

} // namespace devices::platform
