#include "vmm/kvm/injected_interrupts.hpp"

#include <linux/kvm.h>

#include <bit>
#include <cstring>
#include <sys/ioctl.h>

namespace vmm {

namespace {

constexpr std::uint64_t rflags_if = 1U << 9;

// Local APIC registers (Intel SDM vol. 3 §11.4.1).
constexpr unsigned apic_ppr = 0xA0;
constexpr unsigned apic_spurious = 0xF0;
constexpr std::uint32_t apic_enabled = 1U << 8;

std::uint32_t apic_register(kvm_lapic_state const& apic, unsigned offset)
{
    std::uint32_t value = 0;
    std::memcpy(&value, apic.regs + offset, sizeof value);
    return value;
}

/// Lets KVM finish the instruction that the last exit was for, without entering the guest.
void finish_exit(int vcpu_fd, kvm_run& run)
{
    __atomic_store_n(&run.immediate_exit, 1, __ATOMIC_RELAXED);
    (void)::ioctl(vcpu_fd, KVM_RUN, 0);
    __atomic_store_n(&run.immediate_exit, 0, __ATOMIC_RELAXED);
}

bool takes_interrupts(kvm_run const& run, kvm_vcpu_events const& events)
{
    return (run.s.regs.regs.rflags & rflags_if) != 0 && !events.interrupt.injected && !events.interrupt.shadow &&
           !events.exception.injected && !events.exception.pending && !events.nmi.injected;
}

/// A vCPU that halted for want of an interrupt goes on.
void wake(int vcpu_fd)
{
    kvm_mp_state state{};
    if (::ioctl(vcpu_fd, KVM_GET_MP_STATE, &state) != 0 || state.mp_state != KVM_MP_STATE_HALTED) return;
    state.mp_state = KVM_MP_STATE_RUNNABLE;
    (void)::ioctl(vcpu_fd, KVM_SET_MP_STATE, &state);
}

bool inject_vector(int vcpu_fd, kvm_vcpu_events& events, std::uint8_t vector)
{
    events.flags = 0; // leaves alone what another thread may be changing: pending NMIs, SIPIs
    events.interrupt.injected = 1;
    events.interrupt.nr = vector;
    events.interrupt.soft = 0;
    if (::ioctl(vcpu_fd, KVM_SET_VCPU_EVENTS, &events) != 0) return false;
    wake(vcpu_fd);
    return true;
}

} // namespace

void InjectedInterrupts::request(std::uint8_t vector)
{
    pending_[vector / 64].fetch_or(std::uint64_t{1} << vector % 64);
    any_.store(true, std::memory_order_release);
}

bool InjectedInterrupts::inject(int vcpu_fd, kvm_run& run)
{
    any_.store(false);
    if (idle()) return true;
    any_.store(true);

    finish_exit(vcpu_fd, run);
    kvm_lapic_state apic{};
    kvm_vcpu_events events{};
    if (::ioctl(vcpu_fd, KVM_GET_LAPIC, &apic) != 0 || ::ioctl(vcpu_fd, KVM_GET_VCPU_EVENTS, &events) != 0)
        return false;
    bool const takes = takes_interrupts(run, events);
    if (takes && inject_external(vcpu_fd, events)) return idle();
    auto const vector = highest();
    if (!vector) return idle();
    if ((apic_register(apic, apic_spurious) & apic_enabled) == 0) {
        forget(*vector); // an APIC that is disabled by software loses it (§14.2.4)
        return idle();
    }
    if (!takes || *vector >> 4 <= (apic_register(apic, apic_ppr) & 0xFF) >> 4) return false;
    if (!inject_vector(vcpu_fd, events, *vector)) return false;
    forget(*vector);
    return idle();
}

/// Whatever the local APIC holds, and whether or not it is enabled (§13.3.2). With this the interrupt is
/// acknowledged.
bool InjectedInterrupts::inject_external(int vcpu_fd, kvm_vcpu_events& events)
{
    auto const vector = external_->take();
    if (!vector) return false;
    if (inject_vector(vcpu_fd, events, *vector)) return true;
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
