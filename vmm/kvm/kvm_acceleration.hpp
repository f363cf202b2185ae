/// What KVM's own Hyper-V emulation does for a guest of ours, where the kernel has one.
#pragma once

#include "hv/base/acceleration.hpp"
#include "vmm/kvm/kernel_timers.hpp"

#include <optional>

namespace vmm {

/// Of one vCPU, on its thread. Until use_calls() only the invariant TSC, which a KVM with such an emulation hides by
/// itself.
class KvmAcceleration final : public hv::Acceleration {
  public:
    explicit KvmAcceleration(int vcpu_fd) : vcpu_fd_{vcpu_fd} {}

    /// The kernel answers some of the guest's calls. Before the vCPU runs.
    void use_calls() { answers_calls_ = true; }
    /// KVM runs the guest's direct timers. Before the vCPU runs. Throws HypervisorError.
    void use_timers(KernelReferenceTime& time) { timers_.emplace(vcpu_fd_, time); }

    [[nodiscard]] bool start_direct_timer(unsigned timer, std::uint8_t vector, hv::RefTime when) override
    {
        return timers_ && timers_->start(timer, vector, when);
    }
    void stop_direct_timer(unsigned timer) override
    {
        if (timers_) timers_->stop(timer);
    }
    [[nodiscard]] bool direct_timer_runs(unsigned timer) const override { return timers_->runs(timer); }
    void guest_os_identified(std::uint64_t id) override;
    void reference_tsc_page_enabled(hv::Gpa page) override;
    void reference_time_moved(std::optional<hv::Gpa> page) override;
    void tsc_moved() override;
    void assist_page_at(std::optional<hv::Gpa> page) override;
    void expose_invariant_tsc(bool on) override;

  private:
    int const vcpu_fd_;
    bool answers_calls_ = false;
    std::optional<KernelTimers> timers_;
};

} // namespace vmm
