#include "vmm/kvm/injection.hpp"

#include "vmm/kvm/kvm_registers.hpp"

#include <cstring>
#include <sys/ioctl.h>

namespace vmm::injection {

namespace {

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
    return (general_registers(run).rflags & rflags::interrupts_enabled) != 0 && !events.interrupt.injected &&
           !events.interrupt.shadow && !events.exception.injected && !events.exception.pending &&
           !events.nmi.injected;
}

/// A vCPU that halted for want of an interrupt goes on.
void wake(int vcpu_fd)
{
    kvm_mp_state state{};
    if (::ioctl(vcpu_fd, KVM_GET_MP_STATE, &state) != 0 || state.mp_state != KVM_MP_STATE_HALTED) return;
    state.mp_state = KVM_MP_STATE_RUNNABLE;
    (void)::ioctl(vcpu_fd, KVM_SET_MP_STATE, &state);
}

} // namespace

std::optional<InterruptWindow> window(int vcpu_fd, kvm_run& run, kvm_vcpu_events& events)
{
    finish_exit(vcpu_fd, run);
    kvm_lapic_state apic{};
    if (::ioctl(vcpu_fd, KVM_GET_LAPIC, &apic) != 0 || ::ioctl(vcpu_fd, KVM_GET_VCPU_EVENTS, &events) != 0)
        return std::nullopt;
    return InterruptWindow{takes_interrupts(run, events), (apic_register(apic, apic_spurious) & apic_enabled) != 0,
                           static_cast<std::uint8_t>(apic_register(apic, apic_ppr))};
}

bool inject(int vcpu_fd, kvm_vcpu_events events, std::uint8_t vector)
{
    events.flags = 0; // leaves alone what another thread may be changing: pending NMIs, SIPIs
    events.interrupt.injected = 1;
    events.interrupt.nr = vector;
    events.interrupt.soft = 0;
    if (::ioctl(vcpu_fd, KVM_SET_VCPU_EVENTS, &events) != 0) return false;
    wake(vcpu_fd);
    return true;
}

} // namespace vmm::injection
