/// A vCPU's registers under the names that hypercalls have for them.
#pragma once

#include "hv/abi/register_name.hpp"
#include "hv/abi/result.hpp"

struct kvm_run;

namespace vmm {

namespace register_groups {
class StagedSystem;
}
class StateCache;

/// Used by the vCPU's own thread, between two KVM_RUNs. The general registers are those of the run page.
class VcpuRegisters {
  public:
    /// With `staged`, system registers pass through states that no processor can be in.
    VcpuRegisters(int vcpu_fd, kvm_run& run, StateCache& known, register_groups::StagedSystem* staged = nullptr)
        : fd_{vcpu_fd}, run_{run}, known_{known}, staged_{staged}
    {}

    /// InvalidParameter when there is no such register.
    [[nodiscard]] hv::Result<hv::abi::RegisterValue> get(hv::abi::RegisterName name) const;
    /// InvalidParameter when there is none or it is read-only, InvalidRegisterValue when it cannot have this value.
    [[nodiscard]] hv::Status set(hv::abi::RegisterName name, hv::abi::RegisterValue const& value) const;
    /// Has a VP that waits for its start-up begin there; InvalidVpState when it does not wait.
    [[nodiscard]] hv::Status start(hv::abi::InitialVpContext const& context) const;

  private:
    int fd_;
    kvm_run& run_;
    StateCache& known_;
    register_groups::StagedSystem* staged_;
};

} // namespace vmm
