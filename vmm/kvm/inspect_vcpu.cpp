#include "vmm/kvm/vcpu.hpp"

#include <linux/kvm.h>

#include <sys/ioctl.h>

namespace vmm {

namespace {

/// Of the local APIC in the kernel, or of the processor that it keeps waiting (KVM_GET_MP_STATE).
std::string_view name_of_state(std::uint32_t mp_state)
{
    switch (mp_state) {
    case KVM_MP_STATE_RUNNABLE: return "runs";
    case KVM_MP_STATE_HALTED: return "halted";
    case KVM_MP_STATE_UNINITIALIZED: return "waits for INIT";
    case KVM_MP_STATE_INIT_RECEIVED:
    case KVM_MP_STATE_SIPI_RECEIVED: return "waits for its start-up";
    default: return "unknown";
    }
}

} // namespace

void Vcpu::inspect(hv::Inspector& inspector) const
{
    kvm_mp_state state{};
    if (::ioctl(fd(), KVM_GET_MP_STATE, &state) == 0) inspector.text("state", name_of_state(state.mp_state));
    if (gate_.closed()) inspector.flag("paused", true);
    auto const& regs = run_->s.regs.regs;
    inspector.hex("rip", regs.rip);
    inspector.hex("rsp", regs.rsp);
    inspector.hex("rflags", regs.rflags);
    kvm_sregs sregs{};
    if (::ioctl(fd(), KVM_GET_SREGS, &sregs) != 0) return;
    inspector.hex("cr0", sregs.cr0);
    inspector.hex("cr3", sregs.cr3);
    inspector.hex("cr4", sregs.cr4);
    inspector.hex("efer", sregs.efer);
}

} // namespace vmm
