/// Interrupts that a VP takes without their ever being in service: of auto-EOI SINTs (TLFS 2.0a §14.6.5), and the
/// external one that a parent asserts (§13.3.2).
#pragma once

#include "hv/vp/external_interrupt.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

struct kvm_run;
struct kvm_vcpu_events;

namespace vmm {

/// What waits on one vCPU to be injected past the local APIC's ISR. KVM's own injection always sets it, and would
/// wait for an EOI that the guest never sends; an event that KVM_SET_VCPU_EVENTS calls "injected" does not pass it.
class InjectedInterrupts {
  public:
    /// Must be called before anything else.
    void attach(hv::ExternalInterrupt& external) { external_ = &external; }

    /// From any thread; the vCPU has to be kicked afterwards.
    void request(std::uint8_t vector);
    /// Likewise, when the external interrupt was asserted.
    void request_external() { any_.store(true, std::memory_order_release); }

    [[nodiscard]] bool waiting() const { return any_.load(std::memory_order_acquire); }

    /// On the vCPU's thread, between two KVM_RUNs: gives the external interrupt or the highest vector to the guest
    /// if it would take an interrupt now. False when something is left for another time.
    [[nodiscard]] bool inject(int vcpu_fd, kvm_run& run);

  private:
    [[nodiscard]] bool inject_external(int vcpu_fd, kvm_vcpu_events& events);
    [[nodiscard]] bool idle() const { return !highest() && !external_->waiting(); }
    [[nodiscard]] std::optional<std::uint8_t> highest() const;
    void forget(std::uint8_t vector);

    hv::ExternalInterrupt* external_ = nullptr;
    std::array<std::atomic<std::uint64_t>, 4> pending_{};
    std::atomic<bool> any_{false};
};

} // namespace vmm
