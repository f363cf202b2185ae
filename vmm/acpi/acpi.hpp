/// The ACPI tables of a guest (ACPI 6.5): RSDP, XSDT, FADT, FACS, MADT, WAET and DSDT.
#pragma once

#include "devices/pc/resources.hpp"
#include "hv/base/guest_memory.hpp"

#include <span>

namespace vmm {

struct AcpiConfig {
    unsigned cpus = 1; ///< local APIC IDs are 0 to cpus - 1
    /// Of the machine's components: devices in the DSDT follow from them.
    std::span<devices::Resources::Claim const> claims{};
};

inline constexpr std::uint32_t io_apic_address = 0xFEC0'0000;
inline constexpr std::uint32_t local_apic_address = 0xFEE0'0000;

/// Writes the tables into layout::acpi_tables and returns where the RSDP is. The MADT says that the PIT's interrupt
/// (ISA 0) arrives at I/O APIC input 2, as on any PC: KVM must be told so (KVM_SET_GSI_ROUTING).
/// Throws std::length_error when there are more CPUs than the area holds (several thousand).
[[nodiscard]] hv::Gpa build_acpi(hv::GuestMemory const& memory, AcpiConfig const& config);

} // namespace vmm
