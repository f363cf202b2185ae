/// What CPUID tells a guest: what the hypervisor below supports, the topology of this machine, and the hypervisor
/// leaves.
#pragma once

#include "hv/cpuid/privileges.hpp"
#include "hv/cpuid/processor_facts.hpp"
#include "vmm/hypervisor/hypervisor.hpp"
#include "vmm/options/run_options.hpp"

#include <cstdint>
#include <vector>

namespace vmm {

class GuestCpuid {
  public:
    struct Shape {
        unsigned vps = 1;
        bool nested = false;    ///< guests of its own: VMX or SVM, where the hypervisor below has it
        CpuTopology topology{}; ///< of the VPs, as parse_cpus takes it
    };

    /// Throws HypervisorError.
    GuestCpuid(Hypervisor const& hypervisor, hv::Rights const& rights, Shape shape);

    /// What the leaves say of the processors.
    [[nodiscard]] hv::ProcessorFacts processor() const;
    /// One leaf as all vCPUs have it; zeroes when there is none.
    [[nodiscard]] hv::CpuidLeaf leaf(std::uint32_t function, std::uint32_t index = 0) const;
    /// The guest may run guests itself.
    [[nodiscard]] bool virtualises() const;
    /// All leaves of the vCPU with this APIC ID.
    [[nodiscard]] std::vector<CpuidEntry> for_apic_id(std::uint32_t apic_id) const;
    /// Gives one vCPU its leaves; its APIC ID is its index.
    void install(Vcpu& vcpu, std::uint32_t apic_id) const;

  private:
    Shape const shape_;
    std::vector<CpuidEntry> entries_;
};

} // namespace vmm
