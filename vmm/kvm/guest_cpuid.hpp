/// What CPUID tells a guest: what KVM supports, the topology of this machine, and the hypervisor leaves.
#pragma once

#include "hv/cpuid/privileges.hpp"
#include "hv/cpuid/processor_facts.hpp"
#include "vmm/kvm/kvm_host.hpp"

#include <linux/kvm.h>

#include <cstdint>
#include <span>
#include <vector>

namespace vmm {

class GuestCpuid {
  public:
    /// `vps` is how many VPs the guest has, all cores of one package. Throws KvmError.
    GuestCpuid(KvmHost const& host, hv::Rights const& rights, unsigned vps);

    /// What the leaves say of the processors.
    [[nodiscard]] hv::ProcessorFacts processor() const;
    /// One leaf as all vCPUs have it; zeroes when there is none.
    [[nodiscard]] hv::CpuidLeaf leaf(std::uint32_t function, std::uint32_t index = 0) const;
    /// Gives one vCPU its leaves; its APIC ID is its index.
    void install(int vcpu_fd, std::uint32_t apic_id) const;

  private:
    [[nodiscard]] std::vector<kvm_cpuid_entry2> for_apic_id(std::uint32_t apic_id) const;

    unsigned const vps_;
    std::vector<kvm_cpuid_entry2> entries_;
};

} // namespace vmm
