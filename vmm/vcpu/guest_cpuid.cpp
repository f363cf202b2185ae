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

/// Where the parts of an APIC ID are, which is the VP's index.
struct IdParts {
    unsigned threads;         ///< of a core
    unsigned in_package;      ///< processors
    std::uint32_t core_shift; ///< a core's ID is what is above
    std::uint32_t package_shift;

    IdParts(unsigned vps, CpuTopology const& topology)
        : threads{topology.threads},
          in_package{vps / topology.sockets},
          core_shift{static_cast<std::uint32_t>(std::bit_width(threads - 1))},
          package_shift{static_cast<std::uint32_t>(std::bit_width(in_package - 1))}
    {}
};

/// A topology leaf's level: the bits of an APIC ID up to it, and the processors in it.
struct Level {
    std::uint32_t number;
    std::uint32_t kind;
    std::uint32_t bits;
    std::uint32_t processors;
};

CpuidEntry level_leaf(Level const& level, std::uint32_t apic_id)
{
    CpuidEntry entry{};
    entry.function = 0xB;
    entry.index = level.number;
    entry.has_index = true;
    entry.eax = level.bits;
    entry.ebx = level.processors;
    entry.ecx = level.kind | level.number;
    entry.edx = apic_id;
    return entry;
}

/// Which processors share a cache is those of a core (leaf 4 and AMD's 0x8000001D have it in the same bits).
std::uint32_t shared_by_core(std::uint32_t eax, unsigned threads)
{
    constexpr std::uint32_t sharing = 0xFFF << 14;
    return (eax & ~sharing) | (threads - 1) << 14;
}

/// AMD's processors tell of threads by a leaf that comes with a feature, which old ones and emulated ones lack.
void let_amd_have_threads(std::vector<CpuidEntry>& entries)
{
    constexpr std::uint32_t auth = 0x6874'7541; // "AuthenticAMD" begins so
    constexpr std::uint32_t ecx_topology_extensions = 1U << 22;
    constexpr std::uint32_t leaf = 0x8000'001E;
    auto const find = [&entries](std::uint32_t function) { // null when there is none
        auto const found = std::ranges::find(entries, function, &CpuidEntry::function);
        return found == entries.end() ? nullptr : &*found;
    };
    auto const* const vendor = find(0);
    auto* const extended = find(0x8000'0000);
    auto* const features = find(extended_features);
    if (!vendor || vendor->ebx != auth || !extended || !features) return;
    extended->eax = std::max(extended->eax, leaf);
    features->ecx |= ecx_topology_extensions;
    if (find(leaf)) return;
    CpuidEntry entry{};
    entry.function = leaf;
    entries.push_back(entry);
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

    if (shape.topology.threads > 1) let_amd_have_threads(entries_);

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
    IdParts const parts{shape_.vps, shape_.topology};
    auto const addressable = std::bit_ceil(parts.in_package);
    for (auto& entry : leaves) {
        bool const is_cache = (entry.eax & 0x1F) != 0;
        switch (entry.function) {
        case 1:
            entry.ebx = (entry.ebx & 0x0000'FFFF) | apic_id << 24 | addressable << 16;
            entry.edx = parts.in_package > 1 ? entry.edx | edx_htt : entry.edx & ~edx_htt;
            break;
        case 4: // deterministic cache parameters, and how many cores a package has
            if (is_cache)
                entry.eax = (shared_by_core(entry.eax, parts.threads) & 0x03FF'FFFF) |
                            ((addressable >> parts.core_shift) - 1) << 26;
            break;
        case 0x8000'0008: entry.ecx = parts.package_shift << 12 | (parts.in_package - 1); break;
        case 0x8000'001D:
            if (is_cache) entry.eax = shared_by_core(entry.eax, parts.threads);
            break;
        case 0x8000'001E: // extended APIC ID, core, threads of a core, and node: one in each package
            entry.eax = apic_id;
            entry.ebx = (apic_id >> parts.core_shift & 0xFF) | (parts.threads - 1) << 8;
            entry.ecx = apic_id >> parts.package_shift;
            break;
        default: break;
        }
    }
    leaves.push_back(level_leaf({0, level_smt, parts.core_shift, parts.threads}, apic_id));
    leaves.push_back(level_leaf({1, level_core, parts.package_shift, parts.in_package}, apic_id));
    return leaves;
}

void GuestCpuid::install(Vcpu& vcpu, std::uint32_t apic_id) const
{
    vcpu.set_cpuid(for_apic_id(apic_id));
}

} // namespace vmm
