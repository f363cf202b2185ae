/// The groups in which KVM hands out a vCPU's registers, each with the names that belong to it. All on the vCPU's own
/// thread. `get` and `set` answer InvalidParameter for a name of another group.
#pragma once

#include "hv/abi/register_name.hpp"
#include "hv/abi/result.hpp"

#include <linux/kvm.h>

#include <cstddef>
#include <utility>
#include <vector>

namespace vmm::register_groups {

using Name = hv::abi::RegisterName;
using Value = hv::abi::RegisterValue;
using hv::Result;
using hv::Status;

/// RAX to R15, RIP and RFLAGS, in the run page.
[[nodiscard]] Result<Value> get_general(kvm_run const& run, Name name);
[[nodiscard]] Status set_general(int vcpu_fd, kvm_run& run, kvm_sregs const& sregs, Name name, Value const& value);

/// Control, segment and table registers, EFER and APIC_BASE (KVM_GET_SREGS).
[[nodiscard]] Result<Value> get_system(kvm_sregs const& sregs, Name name);
[[nodiscard]] Status set_system(int vcpu_fd, Name name, Value const& value);

/// The same, set one by one, in any order, on the way from one of the processor's modes to another: the states on
/// that way, which no processor can be in and KVM does not take, stay here. LMA follows from LME and PG.
class StagedSystem {
  public:
    StagedSystem() { waiting_.reserve(most); }

    [[nodiscard]] Status set(int vcpu_fd, Name name, Value const& value);
    /// Something that was set waits for the rest.
    [[nodiscard]] bool pending() const { return !waiting_.empty(); }
    /// What the vCPU has, with what waits in its place.
    [[nodiscard]] kvm_sregs over(kvm_sregs const& vcpu) const;
    void forget() { waiting_.clear(); }

  private:
    static constexpr std::size_t most = 17; ///< so many names there are

    std::vector<std::pair<Name, Value>> waiting_; ///< each name once
};

/// Debug registers (KVM_GET_DEBUGREGS).
[[nodiscard]] Result<Value> get_debug(int vcpu_fd, Name name);
[[nodiscard]] Status set_debug(int vcpu_fd, Name name, Value const& value);

/// x87 and SSE registers, and XFEM (KVM_GET_XSAVE, KVM_GET_XCRS).
[[nodiscard]] Result<Value> get_floating(int vcpu_fd, Name name);
[[nodiscard]] Status set_floating(int vcpu_fd, Name name, Value const& value);

/// PendingInterruption, InterruptState and the pending events (KVM_GET_VCPU_EVENTS).
[[nodiscard]] Result<Value> get_events(kvm_vcpu_events const& events, Name name);
[[nodiscard]] Status set_events(int vcpu_fd, Name name, Value const& value);

/// What is an MSR (KVM_GET_MSRS).
[[nodiscard]] Result<Value> get_model_specific(int vcpu_fd, Name name);
[[nodiscard]] Status set_model_specific(int vcpu_fd, Name name, Value const& value);

// Shared with starting a VP.
[[nodiscard]] kvm_segment to_segment(hv::abi::SegmentRegister const& from);
[[nodiscard]] kvm_dtable to_table(hv::abi::TableRegister const& from);
/// What KVM does not check by itself, or only in newer kernels: bits that would keep the processor from entering the
/// guest. `before` is what the vCPU had.
[[nodiscard]] bool acceptable(kvm_sregs const& wanted, kvm_sregs const& before);
[[nodiscard]] bool acceptable_rflags(std::uint64_t rflags);
[[nodiscard]] bool acceptable_pat(std::uint64_t pat);
/// Whether linear addresses of `sregs` may look like this (Intel SDM vol. 1 §3.3.7.1).
[[nodiscard]] bool canonical(std::uint64_t address, kvm_sregs const& sregs);

} // namespace vmm::register_groups
