/// The guest's TSC, computed from the host's without asking KVM each time.
#pragma once

#include "hv/interfaces.hpp"

#include <cstdint>

namespace vmm {

class TscClock final : public hv::Clock {
  public:
    /// Learns frequency and offset from the first vCPU, when it has been created and not yet run. Throws KvmError.
    explicit TscClock(int vcpu_fd);

    /// Gives another vCPU the same offset, so that all of a guest's TSCs agree.
    void synchronise(int vcpu_fd) const;

    [[nodiscard]] std::uint64_t guest_tsc() const override;
    [[nodiscard]] std::uint64_t tsc_hz() const override { return hz_; }
    /// The local APIC timer of KVM counts nanoseconds.
    [[nodiscard]] std::uint64_t apic_hz() const override { return 1'000'000'000; }

  private:
    std::uint64_t hz_;
    std::uint64_t offset_; ///< guest TSC less host TSC, modulo 2^64
    bool exact_;           ///< KVM said the offset itself; else it was measured
};

} // namespace vmm
