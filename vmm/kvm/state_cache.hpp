/// What KVM has said of a vCPU's system registers and events since that last ran or was changed: who describes an
/// intercept asks for many of them, one by one.
#pragma once

#include <linux/kvm.h>

#include <sys/ioctl.h>

namespace vmm {

/// Used by whoever has the vCPU.
class StateCache {
  public:
    /// What KVM_RUN, with these among its valid registers, has left in the run page, which stays until the next.
    static constexpr auto in_run_page = KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
    void take(kvm_run const& run)
    {
        sregs_ = run.s.regs.sregs;
        events_ = run.s.regs.events;
        has_sregs_ = has_events_ = true;
    }

    /// nullptr when they cannot be had, likewise the next.
    [[nodiscard]] kvm_sregs const* sregs(int vcpu_fd)
    {
        if (!has_sregs_) has_sregs_ = ::ioctl(vcpu_fd, KVM_GET_SREGS, &sregs_) == 0;
        return has_sregs_ ? &sregs_ : nullptr;
    }
    [[nodiscard]] kvm_vcpu_events const* events(int vcpu_fd)
    {
        if (!has_events_) has_events_ = ::ioctl(vcpu_fd, KVM_GET_VCPU_EVENTS, &events_) == 0;
        return has_events_ ? &events_ : nullptr;
    }
    void forget() { has_sregs_ = has_events_ = false; }
    void forget_events() { has_events_ = false; }

  private:
    kvm_sregs sregs_{};
    kvm_vcpu_events events_{};
    bool has_sregs_ = false;
    bool has_events_ = false;
};

} // namespace vmm
