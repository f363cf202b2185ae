/// Registers in KVM's structures and in our own.
#pragma once

#include "vmm/hypervisor/registers.hpp"

#include <linux/kvm.h>

#include <cstddef>

namespace vmm {

static_assert(sizeof(Registers) == sizeof(kvm_regs) && offsetof(Registers, rdx) == offsetof(kvm_regs, rdx) &&
              offsetof(Registers, rdi) == offsetof(kvm_regs, rdi) &&
              offsetof(Registers, rbp) == offsetof(kvm_regs, rbp) &&
              offsetof(Registers, r8) == offsetof(kvm_regs, r8) &&
              offsetof(Registers, rip) == offsetof(kvm_regs, rip) &&
              offsetof(Registers, rflags) == offsetof(kvm_regs, rflags));

/// The general registers of the run page (KVM_CAP_SYNC_REGS), in place. Nobody here looks at them as a kvm_regs.
[[nodiscard]] inline Registers& general_registers(kvm_run& run)
{
    static_assert(offsetof(kvm_sync_regs, regs) == 0);
    return *reinterpret_cast<Registers*>(reinterpret_cast<std::byte*>(&run) + offsetof(kvm_run, s));
}
[[nodiscard]] inline Registers const& general_registers(kvm_run const& run)
{
    return *reinterpret_cast<Registers const*>(reinterpret_cast<std::byte const*>(&run) + offsetof(kvm_run, s));
}

[[nodiscard]] SystemRegisters from_kvm(kvm_sregs const& from);
/// What SystemRegisters has no member for stays as it is in `to`.
void to_kvm(SystemRegisters const& from, kvm_sregs& to);

} // namespace vmm
