/// Interrupts that a VP takes without their ever being in service: of auto-EOI SINTs (TLFS 2.0a §14.6.5), and the
/// external one that a parent asserts (§13.3.2).
#pragma once

#include "hv/vp/external_interrupt.hpp"
#include "vmm/hypervisor/vcpu.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

namespace vmm {

/// What waits on one vCPU to be injected past the local APIC's ISR.
class InjectedInterrupts {
  public:
    /// Must be called before anything else.
    void attach(hv::ExternalInterrupt& external) { external_ = &external; }

    /// From any thread; the vCPU has to be kicked afterwards.
    void request(std::uint8_t vector);
    /// Likewise, when the external interrupt was asserted.
    void request_external() { any_.store(true, std::memory_order_release); }

    [[nodiscard]] bool waiting() const { return any_.load(std::memory_order_acquire); }

    /// On the vCPU's thread, outside of the guest: gives the external interrupt or the highest vector to the guest if
    /// it would take an interrupt now. False when something is left for another time.
    [[nodiscard]] bool inject(InjectionTarget& vcpu);

  private:
    [[nodiscard]] bool inject_external(InjectionTarget& vcpu);
    [[nodiscard]] bool idle() const { return !highest() && !external_->waiting(); }
    [[nodiscard]] std::optional<std::uint8_t> highest() const;
    void forget(std::uint8_t vector);

    hv::ExternalInterrupt* external_ = nullptr;
    std::array<std::atomic<std::uint64_t>, 4> pending_{};
    std::atomic<bool> any_{false};
};

} // namespace vmm
