#include "vmm/kvm/kvm_hypervisor.hpp"

#include "vmm/kvm/counted_list.hpp"
#include "vmm/kvm/eoi_exits.hpp"
#include "vmm/kvm/kvm_ioctl.hpp"
#include "vmm/kvm/kvm_vm.hpp"

#include <linux/kvm.h>

namespace vmm {

std::unique_ptr<Vm> KvmHypervisor::create_vm(VmConfig const& config) const
{
    return std::make_unique<KvmVm>(host_, config);
}

/// The APIC timer's deadline mode is KVM's to offer by a capability, not by a leaf.
std::vector<CpuidEntry> KvmHypervisor::supported_cpuid() const
{
    constexpr std::size_t most = 256;
    constexpr std::uint32_t ecx_tsc_deadline = 1U << 24; // of leaf 1 (Intel SDM vol. 2, CPUID)
    CountedList<kvm_cpuid_entry2> list{most};
    kvm_ioctl(host_.fd(), kvm_request::get_supported_cpuid, list.data(), "to list its CPUID leaves");

    std::vector<CpuidEntry> entries;
    for (auto const& leaf : list.entries()) {
        auto& entry = entries.emplace_back();
        entry.function = leaf.function;
        entry.index = leaf.index;
        entry.has_index = (leaf.flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX) != 0;
        entry.eax = leaf.eax;
        entry.ebx = leaf.ebx;
        entry.ecx = leaf.ecx;
        entry.edx = leaf.edx;
        if (leaf.function == 1 && host_.has(KVM_CAP_TSC_DEADLINE_TIMER)) entry.ecx |= ecx_tsc_deadline;
    }
    return entries;
}

/// Porthole's page, not KVM's own, leads to the calls that KVM answers, and of what KVM needs to know it has the VP
/// indices, which are its own numbers of the vCPUs.
AccelerationOffer KvmHypervisor::acceleration() const
{
    static bool const exits = eoi_exits(); // a restarted guest is built where no file can be opened
    return {
        .calls = host_.has(KVM_CAP_HYPERV_TLBFLUSH), .timers = host_.has(KVM_CAP_HYPERV_SYNIC2), .eoi_exits = exits};
}

} // namespace vmm
