/// What KVM_GET_SREGS has said of a vCPU since that last ran or was changed: who describes an intercept asks for many
/// of its registers, one by one.
#pragma once

#include <linux/kvm.h>

#include <sys/ioctl.h>

namespace vmm {

/// Used by whoever has the vCPU.
class StateCache {
  public:
    /// nullptr when they cannot be had.
    [[nodiscard]] kvm_sregs const* read(int vcpu_fd)
    {
        if (!known_) known_ = ::ioctl(vcpu_fd, KVM_GET_SREGS, &sregs_) == 0;
        return known_ ? &sregs_ : nullptr;
    }
    void forget() { known_ = false; }

  private:
    kvm_sregs sregs_{};
    bool known_ = false;
};

} // namespace vmm
