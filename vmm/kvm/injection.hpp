/// Interrupts that never are in service in the local APIC. KVM's own injection always sets ISR, and would wait for an
/// EOI that the guest never sends; an event that KVM_SET_VCPU_EVENTS calls "injected" does not pass it.
#pragma once

#include "vmm/hypervisor/vcpu.hpp"

#include <linux/kvm.h>

#include <cstdint>
#include <optional>

namespace vmm::injection {

/// As InjectionTarget::interrupt_window. `events` are what the answer was found from.
[[nodiscard]] std::optional<InterruptWindow> window(int vcpu_fd, kvm_run& run, kvm_vcpu_events& events);
/// As InjectionTarget::inject_past_apic, with those events.
[[nodiscard]] bool inject(int vcpu_fd, kvm_vcpu_events events, std::uint8_t vector);

} // namespace vmm::injection
