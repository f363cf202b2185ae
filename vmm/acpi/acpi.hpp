/// The ACPI tables of a guest (ACPI 6.5): RSDP, XSDT, FADT, FACS, MADT, WAET, DSDT, TPM2 with a TPM,
/// SRAT and SLIT with NUMA nodes, SRAT with memory that may come.
#pragma once

#include "devices/pc/resources.hpp"
#include "hv/base/guest_memory.hpp"
#include "vmm/acpi/numa.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vmm {

struct AcpiConfig {
    unsigned cpus = 1; ///< local APIC IDs, and ACPI's unique IDs, are 0 to cpus - 1
    /// Of the machine's components: devices in the DSDT follow from them.
    std::span<devices::Resources::Claim const> claims{};
    std::uint64_t tpm = 0;             ///< address of its control area; 0: there is no TPM
    std::span<NumaNode const> nodes{}; ///< one, or none, is not told, unless memory may come
    MemoryRange hot_add{};             ///< where memory may come to lie that is not there yet; of no size: nowhere
};

inline constexpr std::uint32_t io_apic_address = 0xFEC0'0000;
inline constexpr std::uint32_t local_apic_address = 0xFEE0'0000;

/// All tables, wherever they are going to be: the addresses in them count from the first byte, which is the RSDP's,
/// and their checksums are zero. Where they are put is a multiple of 64.
struct AcpiTables {
    struct Pointer {
        std::uint32_t at;  ///< offset of an address in the tables
        std::uint8_t size; ///< of it: 4 or 8 bytes
    };
    struct Checksum {
        std::uint32_t at;    ///< offset of the byte
        std::uint32_t start; ///< of what it is the checksum of
        std::uint32_t length;
    };

    std::vector<std::byte> bytes;
    std::vector<Pointer> pointers;
    std::vector<Checksum> checksums; ///< in an order in which each covers none that comes later
};

/// The MADT says that the PIT's interrupt (ISA 0) arrives at I/O APIC input 2, as on any PC: KVM must be told so
/// (KVM_SET_GSI_ROUTING).
[[nodiscard]] AcpiTables acpi_tables(AcpiConfig const& config);

/// Writes the tables into layout::acpi_tables and returns where the RSDP is.
/// Throws std::length_error when there are more CPUs than the area holds (more than a thousand).
[[nodiscard]] hv::Gpa build_acpi(hv::GuestMemory const& memory, AcpiConfig const& config);

} // namespace vmm
