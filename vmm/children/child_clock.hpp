/// The TSC of a guest's child. It runs as its parent's does, and stands still when that does.
#pragma once

#include "hv/base/interfaces.hpp"
#include "vmm/hypervisor/vcpu.hpp"
#include "vmm/vcpu/tsc_clock.hpp"

#include <atomic>
#include <cstdint>

namespace vmm {

class ChildClock final : public hv::Clock {
  public:
    /// Begins at 0; as its parent's, where the host's KVM does not let a TSC be moved.
    explicit ChildClock(TscClock const& parents);

    /// Moves it. What is set one after the other on several processors is meant to be one TSC: a value within a
    /// second of what it is changes nothing, as KVM has it too (Linux, kvm_synchronize_tsc). False where the host's
    /// KVM does not let it be moved. From any thread, one call at a time.
    [[nodiscard]] bool set(std::uint64_t tsc);

    /// Gives the TSC to a vCPU that has not yet run, or is to begin anew. What `offset` was then.
    [[nodiscard]] std::uint64_t begin(Vcpu& vcpu) const;
    /// That of the child's vCPUs less the host's TSC, modulo 2^64.
    [[nodiscard]] std::uint64_t offset() const { return parents_.offset() + apart_.load(std::memory_order_relaxed); }

    [[nodiscard]] std::uint64_t guest_tsc() const override
    {
        return parents_.guest_tsc() + apart_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t tsc_hz() const override { return parents_.tsc_hz(); }
    [[nodiscard]] std::uint64_t apic_hz() const override { return parents_.apic_hz(); }

  private:
    TscClock const& parents_;
    std::atomic<std::uint64_t> apart_; ///< from the parent's, modulo 2^64
};

} // namespace vmm
