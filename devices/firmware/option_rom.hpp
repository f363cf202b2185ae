/// A PCI expansion ROM with a UEFI driver.
#pragma once

#include "devices/pc/pci_endpoint.hpp"

#include <cstddef>
#include <span>
#include <vector>

namespace devices::firmware {

/// One image, for a function of this identity (PCI Firmware Specification 3.3 §5.1; UEFI Specification 2.10 §14.4.2).
/// `driver` is a PE file for x86-64, less than 16 MiB.
[[nodiscard]] std::vector<std::byte> option_rom(std::span<std::byte const> driver, PciIdentity const& identity);

/// Porthole's own driver, as devices/efi makes it.
[[nodiscard]] std::span<std::byte const> efi_driver();

} // namespace devices::firmware
