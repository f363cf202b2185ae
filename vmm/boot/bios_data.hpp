/// What firmware leaves in a PC's lowest MiB for those who do not ask it: the BIOS data area and the extended one,
/// which kernels that a boot loader started read. There is no BIOS behind them.
#pragma once

#include "vmm/boot/boot_memory.hpp"

namespace vmm {

/// Writes both areas. The BIOS data area is left out when a kernel lies over part of it: its own data is what it
/// finds there then. Called when the kernel's place is claimed.
void write_bios_data(RamClaims const& claims, hv::GuestMemory const& memory);

} // namespace vmm
