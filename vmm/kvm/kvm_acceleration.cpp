#include "vmm/kvm/kvm_acceleration.hpp"

#include "hv/abi/msr.hpp"
#include "vmm/kvm/msr_access.hpp"

#include <asm/kvm_para.h>

namespace vmm {

/// KVM takes a guest's VMCALL for a hypercall of Hyper-V once it knows this.
void KvmAcceleration::guest_os_identified(std::uint64_t id)
{
    if (answers_calls_) (void)set_msr(vcpu_fd_, hv::abi::msr::guest_os_id, id);
}

void KvmAcceleration::reference_tsc_page_enabled(hv::Gpa page)
{
    if (timers_) timers_->reference_tsc_page_enabled(page);
}

void KvmAcceleration::reference_time_moved(std::optional<hv::Gpa> page)
{
    if (timers_) timers_->reference_time_moved(page);
}

void KvmAcceleration::tsc_moved()
{
    if (timers_) timers_->tsc_moved();
}

/// What KVM does for its own guests suits the assist page as well: bit 0 of a byte says that the interrupt in service
/// needs no EOI, and the guest clears it instead (Linux Documentation/virt/kvm/x86/msr.rst, MSR_KVM_PV_EOI_EN;
/// TLFS 6.0b §10.3.5).
void KvmAcceleration::assist_page_at(std::optional<hv::Gpa> page)
{
    (void)set_msr(vcpu_fd_, MSR_KVM_PV_EOI_EN, page ? page->value | KVM_MSR_ENABLED : 0);
}

/// A KVM with a Hyper-V emulation of its own hides the invariant TSC until it sees this MSR set, and the filter keeps
/// it from seeing that. Others do not know the MSR, and need not.
void KvmAcceleration::expose_invariant_tsc(bool on)
{
    (void)set_msr(vcpu_fd_, hv::abi::msr::tsc_invariant_control, on ? 1 : 0);
}

} // namespace vmm
