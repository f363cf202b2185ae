#include "vmm/kvm/kvm_capability.hpp"

#include <linux/kvm.h>

#include <array>

namespace vmm {

namespace {

#define CAPABILITY(name) KVM_CAP_##name, "KVM_CAP_" #name

constexpr std::array used{
    Capability{CAPABILITY(USER_MEMORY), 0, true, "guest memory"},
    Capability{CAPABILITY(IRQCHIP), 0, true, "local APICs, I/O APIC and PIC in the kernel"},
    Capability{CAPABILITY(PIT2), 0, true, "the PC's interval timer"},
    Capability{CAPABILITY(SET_TSS_ADDR), 0, true, "real mode on Intel processors"},
    Capability{CAPABILITY(EXT_CPUID), 0, true, "what the guest's CPUID may offer"},
    Capability{CAPABILITY(MP_STATE), 0, true, "processors that wait for their start-up IPI"},
    Capability{CAPABILITY(VCPU_EVENTS), 0, true, "exceptions and auto-EOI interrupts"},
    Capability{CAPABILITY(SYNC_REGS), KVM_SYNC_X86_VALID_FIELDS, true, "registers in the run page, for hypercalls"},
    Capability{CAPABILITY(IMMEDIATE_EXIT), 0, true, "stopping a vCPU without losing the request"},
    Capability{CAPABILITY(X86_USER_SPACE_MSR), 0, true, "Hyper-V MSRs handled in user space"},
    Capability{CAPABILITY(X86_MSR_FILTER), 0, true, "Hyper-V MSRs taken from the kernel"},
    Capability{CAPABILITY(SIGNAL_MSI), 0, true, "SynIC and timer interrupts"},
    Capability{CAPABILITY(GET_TSC_KHZ), 0, true, "the reference time's scale"},
    Capability{CAPABILITY(TSC_DEADLINE_TIMER), 0, false, "the APIC timer's deadline mode"},
    Capability{CAPABILITY(SET_IDENTITY_MAP_ADDR), 0, false, "real mode on old Intel processors"},
    Capability{CAPABILITY(IRQFD), 0, false, "device interrupts raised through an eventfd"},
    Capability{CAPABILITY(IOEVENTFD), 0, false, "device doorbells that do not stop the vCPU"},
    Capability{CAPABILITY(MAX_VCPUS), 0, false, "the limit of --cpus"},
};

constexpr std::array hyperv{
    Capability{CAPABILITY(HYPERV), 0, false, "guest identity and hypercall page"},
    Capability{CAPABILITY(HYPERV_TIME), 0, false, "reference time"},
    Capability{CAPABILITY(HYPERV_SYNIC2), 0, false, "synthetic interrupt controller"},
    Capability{CAPABILITY(HYPERV_CPUID), 0, false, "CPUID leaves"},
    Capability{CAPABILITY(HYPERV_TLBFLUSH), 0, false, "TLB flushes"},
};

#undef CAPABILITY

} // namespace

std::span<Capability const> used_capabilities()
{
    return used;
}

std::span<Capability const> in_kernel_hyperv()
{
    return hyperv;
}

std::string missing_capabilities_message(std::vector<std::string> const& names, std::string const& kernel_release)
{
    std::string list;
    for (auto const& name : names)
        list += (list.empty() ? "" : ", ") + name;
    return "this kernel's KVM (" + kernel_release + ") lacks " + list +
           ", which Porthole needs: use Linux 5.10 or newer with the stock KVM modules";
}

} // namespace vmm
