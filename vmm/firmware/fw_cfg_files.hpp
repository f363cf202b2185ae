/// What OVMF asks of a machine by files of fw_cfg.
#pragma once

#include "vmm/acpi/acpi.hpp"
#include "vmm/base/memory_layout.hpp"

#include <cstddef>
#include <string_view>
#include <vector>

namespace vmm::firmware {

inline constexpr std::string_view memory_map_file = "etc/e820";
inline constexpr std::string_view acpi_tables_file = "etc/acpi/tables";
inline constexpr std::string_view table_loader_file = "etc/table-loader";

/// The structures, and an entry point whose size is theirs; where they are is the firmware's to say (edk2
/// OvmfPkg/Library/SmbiosVersionLib).
inline constexpr std::string_view smbios_tables_file = "etc/smbios/smbios-tables";
inline constexpr std::string_view smbios_entry_file = "etc/smbios/smbios-anchor";

/// The RAM, as E820 entries. What of it is no RAM below 1 MiB a firmware for PCs knows by itself.
[[nodiscard]] std::vector<std::byte> memory_map(MemoryLayout const& layout);

/// The commands by which the firmware places the tables of acpi_tables_file in memory, and gives them their addresses
/// and checksums (edk2 OvmfPkg/Include/IndustryStandard/QemuLoader.h).
[[nodiscard]] std::vector<std::byte> table_loader(AcpiTables const& tables);

} // namespace vmm::firmware
