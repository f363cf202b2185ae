/// The guest's TSC, computed from the host's without asking KVM each time.
#pragma once

#include "hv/base/interfaces.hpp"
#include "vmm/hypervisor/vcpu.hpp"

#include <atomic>
#include <cstdint>
#include <span>

namespace vmm {

class TscClock final : public hv::Clock {
  public:
    /// Learns frequency and offset from the first vCPU, when it has been created and not yet run. Throws
    /// HypervisorError.
    explicit TscClock(Vcpu& vcpu);

    /// Gives another vCPU the same offset, so that all of a guest's TSCs agree.
    void synchronise(Vcpu& vcpu) const;

    /// Time stands still from now on; none of these vCPUs runs. False, and it goes on, when their TSCs cannot be
    /// wound back later: on a KVM before Linux 5.16, and on one that knows no offset but 0.
    bool stop(std::span<Vcpu* const> vcpus);
    /// It goes on as if nothing had been: winds the TSCs of these vCPUs back, none of which runs yet. Ignored when it
    /// does not stand still. Throws HypervisorError.
    void go_on(std::span<Vcpu* const> vcpus);

    /// Whether a vCPU's TSC can be set apart from the host's.
    [[nodiscard]] bool moves() const { return moves_; }
    /// The guest's TSC less the host's, modulo 2^64. It changes by `go_on` alone.
    [[nodiscard]] std::uint64_t offset() const { return offset_.load(std::memory_order_relaxed); }

    [[nodiscard]] std::uint64_t guest_tsc() const override;
    [[nodiscard]] std::uint64_t tsc_hz() const override { return hz_; }
    /// The local APIC timer of KVM counts nanoseconds.
    [[nodiscard]] std::uint64_t apic_hz() const override { return 1'000'000'000; }

  private:
    std::uint64_t hz_ = 0;
    std::atomic<std::uint64_t> offset_{0};  ///< guest TSC less host TSC, modulo 2^64
    std::atomic<std::uint64_t> stopped_{0}; ///< the guest TSC where time stands still; 0: it does not
    bool exact_ = false;                    ///< the hypervisor said the offset itself; else it was measured
    bool moves_ = false;
};

} // namespace vmm
