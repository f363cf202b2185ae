/// What OVMF wants to see of Intel's 440FX machine beyond a host bridge: an ISA bridge, and the power management
/// function that says where ACPI's fixed hardware is. Source: Intel 82371AB (PIIX4) datasheet §4.1, §7.1; edk2
/// OvmfPkg/PlatformPei/Platform.c and OvmfPkg/Library/ResetSystemLib.
#pragma once

#include "devices/pc/pci_fixed_function.hpp"
#include "devices/pc/platform.hpp"
#include "devices/pc/port_io.hpp"
#include "devices/pc/power_events.hpp"

#include <cstdint>

namespace devices::firmware {

inline constexpr std::uint32_t host_bridge_440fx = 0x1237'8086;

inline constexpr platform::PciSlot isa_bridge_slot{1, 0};
inline constexpr platform::PciSlot power_management_slot{1, 3};

/// Where PIIX4's power management is when nobody has moved it: firmware switches the machine off there, wherever it
/// is.
inline constexpr platform::PortRange power_management_ports{0xB000, platform::acpi_pm.count};

/// Ports and memory are decoded: OVMF looks for COM1 behind a bridge that does both (OvmfPkg/SioBusDxe/SioBusDxe.c).
class IsaBridge final : public PciFixedFunction {
  public:
    IsaBridge()
        : PciFixedFunction{{0x00, 0x7000'8086}, // the 82371SB's, as QEMU has it: OVMF compares
                           {0x04, 0x0200'0007}, // ports, memory, bus master
                           {0x08, 0x0601'0000}, // an ISA bridge
                           {0x0C, 0x0080'0000}} // there are more functions
    {}
};

/// Its base address is set and in force: OVMF leaves that as it is then.
class PowerManagementFunction final : public PciFixedFunction {
  public:
    PowerManagementFunction()
        : PciFixedFunction{{0x00, 0x7113'8086},
                           {0x08, 0x0680'0000},                                // another bridge
                           {0x40, std::uint32_t{platform::acpi_pm.first} | 1}, // PMBA
                           {0x80, 0x0000'0001}}                                // PMREGMISC: PMIOSE
    {}
};

/// ACPI's fixed hardware once more. Here sleep type 0 switches off as well: it is PIIX4's S5.
class PowerManagementPorts final : public PortDevice {
  public:
    PowerManagementPorts(PortDevice& registers, PowerEvents& events) : registers_{registers}, events_{events} {}

    [[nodiscard]] std::uint32_t read(std::uint16_t offset, unsigned size) override
    {
        return registers_.read(offset, size);
    }
    void write(std::uint16_t offset, unsigned size, std::uint32_t value) override;

  private:
    PortDevice& registers_;
    PowerEvents& events_;
};

} // namespace devices::firmware
