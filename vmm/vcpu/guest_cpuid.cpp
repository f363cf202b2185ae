#include "vmm/vcpu/guest_cpuid.hpp"

#include "hv/abi/cpuid.hpp"
#include "hv/cpuid/leaves.hpp"
#include "vmm/options/run_options.hpp"

#include <algorithm>
#include <bit>

namespace vmm {

namespace {

// Leaf 1 (Intel SDM vol. 2, CPUID; AMD APM vol. 3, appendix E).
constexpr std::uint32_t ecx_vmx = 1U << 5;
constexpr std::uint32_t ecx_x2apic = 1U << 21;
constexpr std::uint32_t ecx_hypervisor = 1U << 31;
constexpr std::uint32_t edx_htt = 1U << 28;
constexpr std::uint32_t edx_invariant_tsc = 1U << 8; // leaf 0x80000007
constexpr std::uint32_t extended_features = 0x8000'0001;
constexpr std::uint32_t ecx_svm = 1U << 2;      // there
constexpr std::uint32_t svm_leaf = 0x8000'000A; // what SVM has; zeroes without it
constexpr std::uint32_t level_smt = 1U << 8;    // leaf 0xB ECX
constexpr std::uint32_t level_core = 2U << 8;

bool is_hypervisor_leaf(CpuidEntry const& entry)
{
    return entry.function >> 8 == 0x40'0000;
}
bool is_topology_leaf(CpuidEntry const& entry)
{
    return entry.function == 0xB || entry.function == 0x1F;
}

std::uint32_t apic_id_bits(unsigned vps)
{
    return static_cast<std::uint32_t>(std::bit_width(vps - 1));
}

} // namespace

GuestCpuid::GuestCpuid(Hypervisor const& hypervisor, hv::Rights const& rights, Shape shape)
    : shape_{shape}, entries_{hypervisor.supported_cpuid()}
{
    std::erase_if(entries_, [&](auto const& e) {
        return is_hypervisor_leaf(e) || is_topology_leaf(e) || (!shape.nested && e.function == svm_leaf);
    });

    std::uint32_t physical_bits = 0;
    for (auto& entry : entries_) {
        if (entry.function == 1) {
            entry.ecx |= ecx_hypervisor | ecx_x2apic;
            if (!shape.nested) entry.ecx &= ~ecx_vmx;
        } else if (entry.function == extended_features && !shape.nested) {
            entry.ecx &= ~ecx_svm;
        } else if (entry.function == 0x8000'0007 && !rights.has(hv::Privilege::AccessTscInvariantControl)) {
            entry.edx &= ~edx_invariant_tsc;
        } else if (entry.function == 0x8000'0008) {
            physical_bits = entry.eax & 0xFF;
        }
    }

    for (auto const& leaf : hv::hypervisor_leaves(rights, {GuestOptions::max_cpus, physical_bits})) {
        CpuidEntry entry{};
        entry.function = leaf.function;
        entry.eax = leaf.eax;
        entry.ebx = leaf.ebx;
        entry.ecx = leaf.ecx;
        entry.edx = leaf.edx;
        entries_.push_back(entry);
    }
}

hv::ProcessorFacts GuestCpuid::processor() const
{
    return hv::processor_facts([this](std::uint32_t function, std::uint32_t index) { return leaf(function, index); });
}

bool GuestCpuid::virtualises() const
{
    return (leaf(1).ecx & ecx_vmx) != 0 || (leaf(extended_features).ecx & ecx_svm) != 0;
}

hv::CpuidLeaf GuestCpuid::leaf(std::uint32_t function, std::uint32_t index) const
{
    auto const found =
        std::ranges::find_if(entries_, [&](auto const& e) { return e.function == function && e.index == index; });
    if (found == entries_.end()) return {};
    return {function, found->eax, found->ebx, found->ecx, found->edx};
}

std::vector<CpuidEntry> GuestCpuid::for_apic_id(std::uint32_t apic_id) const
{
    auto leaves = entries_;
    auto const id_bits = apic_id_bits(shape_.vps);
    for (auto& entry : leaves) {
        switch (entry.function) {
        case 1:
            entry.ebx = (entry.ebx & 0x0000'FFFF) | apic_id << 24 | std::bit_ceil(shape_.vps) << 16;
            entry.edx = shape_.vps > 1 ? entry.edx | edx_htt : entry.edx & ~edx_htt;
            break;
        case 4: // deterministic cache parameters: caches are not shared, the package has all cores
            if ((entry.eax & 0x1F) != 0) entry.eax = (entry.eax & 0x3FFF) | (std::bit_ceil(shape_.vps) - 1) << 26;
            break;
        case 0x8000'0008: entry.ecx = id_bits << 12 | (shape_.vps - 1); break;
        case 0x8000'001E: // extended APIC ID, core and node: one thread a core, one node
            entry.eax = apic_id;
            entry.ebx = apic_id & 0xFF;
            entry.ecx = 0;
            break;
        default: break;
        }
    }

    CpuidEntry topology{};
    topology.function = 0xB;
    topology.has_index = true;
    topology.ebx = 1;
    topology.ecx = level_smt;
    topology.edx = apic_id;
    leaves.push_back(topology);
    topology.index = 1;
    topology.eax = id_bits;
    topology.ebx = shape_.vps;
    topology.ecx = level_core | 1;
    leaves.push_back(topology);
    return leaves;
}

void GuestCpuid::install(Vcpu& vcpu, std::uint32_t apic_id) const
{
    vcpu.set_cpuid(for_apic_id(apic_id));
}

} // namespace vmm
