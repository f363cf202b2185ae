/// What answers in the place of a BIOS when a kernel calls one in real mode: an interrupt table whose handlers, in
/// ROM, say that they know no such service. A kernel that can do without a BIOS then goes on, where it would have run
/// into memory that nobody has written.
#pragma once

#include "vmm/boot/boot_memory.hpp"

namespace vmm {

/// Writes both. The interrupt table is left out when a kernel lies over part of it. Called when the kernel's place is
/// claimed.
void write_bios_calls(RamClaims const& claims, hv::GuestMemory const& memory);

} // namespace vmm
