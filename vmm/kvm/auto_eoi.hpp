/// Interrupts of auto-EOI SINTs (TLFS 2.0a §14.6.5): taken by the VP without ever being in service.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

struct kvm_run;

namespace vmm {

/// What waits on one vCPU to be injected past the local APIC's ISR. KVM's own injection always sets it, and would
/// wait for an EOI that the guest never sends; an event that KVM_SET_VCPU_EVENTS calls "injected" does not pass it.
class AutoEoiInterrupts {
  public:
    /// From any thread; the vCPU has to be kicked afterwards.
    void request(std::uint8_t vector);

    [[nodiscard]] bool waiting() const { return any_.load(std::memory_order_acquire); }

    /// On the vCPU's thread, between two KVM_RUNs: gives the highest vector to the guest if it would take an
    /// interrupt now. False when something is left for another time.
    [[nodiscard]] bool inject(int vcpu_fd, kvm_run& run);

  private:
    [[nodiscard]] std::optional<std::uint8_t> highest() const;
    void forget(std::uint8_t vector);

    std::array<std::atomic<std::uint64_t>, 4> pending_{};
    std::atomic<bool> any_{false};
};

} // namespace vmm
