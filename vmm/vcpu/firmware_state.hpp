/// What firmware leaves in each processor for the kernel that it starts, beyond what a kernel's boot protocol says.
#pragma once

#include "vmm/vcpu/guest_cpuid.hpp"

#include <span>

namespace vmm {

/// Sets, in all vCPUs of a machine, the first of which is the boot processor:
/// - the local APICs: enabled, the boot processor's in virtual wire mode, those of the others with their pins masked
///   (MultiProcessor Specification 1.4 §3.6.2.2 and §A.3; edk2 UefiCpuPkg, ProgramVirtualWireMode,
///   DisableLvtInterrupts);
/// - CR0.CD and CR0.NW clear on the others too, which keep them through INIT (Intel SDM vol. 3, table 10-1);
/// - the MTRRs (Intel SDM vol. 3 §12.11): on, with RAM as write-back and the hole below 4 GiB as uncacheable;
/// - on Intel's processors IA32_FEATURE_CONTROL, locked, and fast strings in IA32_MISC_ENABLE (Intel SDM vol. 4).
/// After the guest's CPUID has been installed and before a vCPU has run. What there is no MSR for is left out.
/// Throws HypervisorError.
///
/// KVM needs its local APICs set once after the last vCPU is created: it finds the destination of an interrupt in a
/// map of APIC IDs, which is made when a vCPU is created, then without that vCPU, and anew when an APIC's state is
/// set or its SVR, its logical ID or its mode changes (Linux arch/x86/kvm/lapic.c, kvm_recalculate_apic_map). A guest
/// that sends INIT before it has written to any APIC would not reach the last one.
void leave_as_firmware_does(std::span<Vcpu* const> vcpus, GuestCpuid const& cpuid);

/// For a guest with a firmware of its own: processors stay as after a reset, but for what no firmware does for
/// itself: on Intel's, the two MSRs of above; and the local APICs are set once, as they are. When and what for:
/// likewise.
void leave_to_firmware(std::span<Vcpu* const> vcpus, GuestCpuid const& cpuid);

} // namespace vmm
