/// Turns a BootState into the register state of the first vCPU.
#pragma once

#include "hv/base/guest_memory.hpp"
#include "vmm/boot/boot_memory.hpp"
#include "vmm/boot/boot_state.hpp"
#include "vmm/hypervisor/registers.hpp"

namespace vmm {

/// Writes the descriptor table and, for long mode, the page tables that `state` needs to where there is room for
/// them, and notes in it where that is. Throws UserError as RamClaims::claim_boot_data() does.
void write_processor_tables(BootState& state, RamClaims& claims, hv::GuestMemory const& memory);

/// Overwrites all of `regs`, and of `sregs` (as the vCPU has them) the segments, descriptor tables, control
/// registers and EFER. What it names in memory is what write_processor_tables() wrote.
void apply(BootState const& state, Registers& regs, SystemRegisters& sregs);

} // namespace vmm
