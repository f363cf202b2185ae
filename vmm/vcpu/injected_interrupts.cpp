#include "vmm/vcpu/injected_interrupts.hpp"

#include <bit>

namespace vmm {

void InjectedInterrupts::request(std::uint8_t vector)
{
    pending_[vector / 64].fetch_or(std::uint64_t{1} << vector % 64);
    any_.store(true, std::memory_order_release);
}

bool InjectedInterrupts::inject(InjectionTarget& vcpu)
{
    any_.store(false);
    if (idle()) return true;
    any_.store(true);

    auto const window = vcpu.interrupt_window();
    if (!window) return false;
    if (window->takes_interrupts && inject_external(vcpu)) return idle();
    auto const vector = highest();
    if (!vector) return idle();
    if (!window->apic_enabled) {
        forget(*vector); // an APIC that is disabled by software loses it (§14.2.4)
        return idle();
    }
    if (!window->takes_interrupts || *vector >> 4 <= window->priority >> 4) return false;
    if (!vcpu.inject_past_apic(*vector)) return false;
    forget(*vector);
    return idle();
}

/// Whatever the local APIC holds, and whether or not it is enabled (§13.3.2). With this the interrupt is
/// acknowledged.
bool InjectedInterrupts::inject_external(InjectionTarget& vcpu)
{
    auto const vector = external_->take();
    if (!vector) return false;
    if (vcpu.inject_past_apic(*vector)) return true;
    external_->give_back(*vector);
    return false;
}

std::optional<std::uint8_t> InjectedInterrupts::highest() const
{
    for (unsigned i = 4; i-- > 0;) {
        auto const word = pending_[i].load();
        if (word != 0) return static_cast<std::uint8_t>(i * 64 + 63 - static_cast<unsigned>(std::countl_zero(word)));
    }
    return std::nullopt;
}

void InjectedInterrupts::forget(std::uint8_t vector)
{
    pending_[vector / 64].fetch_and(~(std::uint64_t{1} << vector % 64));
}

} // namespace vmm
