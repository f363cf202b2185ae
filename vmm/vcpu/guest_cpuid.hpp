/// What CPUID tells a guest: what the hypervisor below supports, the topology of this machine, and the hypervisor
/// leaves.
#pragma once

#include "hv/cpuid/privileges.hpp"
#include "hv/cpuid/processor_facts.hpp"
#include "vmm/hypervisor/hypervisor.hpp"

#include <cstdint>
#include <vector>

namespace vmm {

class GuestCpuid {
  public:
    /// `vps` is how many VPs the guest has, all cores of one package. Throws HypervisorError.
    GuestCpuid(Hypervisor const& hypervisor, hv::Rights const& rights, unsigned vps);

    /// What the leaves say of the processors.
    [[nodiscard]] hv::ProcessorFacts processor() const;
    /// One leaf as all vCPUs have it; zeroes when there is none.
    [[nodiscard]] hv::CpuidLeaf leaf(std::uint32_t function, std::uint32_t index = 0) const;
    /// Gives one vCPU its leaves; its APIC ID is its index.
    void install(Vcpu& vcpu, std::uint32_t apic_id) const;

  private:
    [[nodiscard]] std::vector<CpuidEntry> for_apic_id(std::uint32_t apic_id) const;

    unsigned const vps_;
    std::vector<CpuidEntry> entries_;
};

} // namespace vmm
