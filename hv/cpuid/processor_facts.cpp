#include "hv/cpuid/processor_facts.hpp"

#include "hv/abi/bits.hpp"

namespace hv {

namespace {

/// A bit of a CPUID leaf (AMD APM vol. 3, appendix E; Intel SDM vol. 2, CPUID).
struct FeatureBit {
    std::uint32_t CpuidLeaf::*reg;
    unsigned bit;
    bool extended; ///< of leaf 0x80000001, else of leaf 1
};

/// In the order of HV_PARTITION_PROCESSOR_FEATURES (TLFS 2.0a §5.2.8). Sse5Support is XOP by now.
constexpr FeatureBit features[] = {
    {&CpuidLeaf::ecx, 0, false},  // Sse3Support
    {&CpuidLeaf::ecx, 0, true},   // LahfSahfSupport
    {&CpuidLeaf::ecx, 9, false},  // Ssse3Support
    {&CpuidLeaf::ecx, 19, false}, // Sse4_1Support
    {&CpuidLeaf::ecx, 20, false}, // Sse4_2Support
    {&CpuidLeaf::ecx, 6, true},   // Sse4aSupport
    {&CpuidLeaf::ecx, 11, true},  // Sse5Support
    {&CpuidLeaf::ecx, 23, false}, // PopCntSupport
    {&CpuidLeaf::ecx, 13, false}, // Cmpxchg16bSupport
    {&CpuidLeaf::ecx, 4, true},   // Altmovcr8Support
    {&CpuidLeaf::ecx, 5, true},   // LzcntSupport
    {&CpuidLeaf::ecx, 7, true},   // MisAlignSseSupport
    {&CpuidLeaf::edx, 22, true},  // MmxExtSupport
    {&CpuidLeaf::edx, 31, true},  // Amd3DNowSupport
    {&CpuidLeaf::edx, 30, true},  // ExtendedAmd3DNowSupport
};

std::uint64_t bit_if(bool set, unsigned position)
{
    return set ? std::uint64_t{1} << position : 0;
}

} // namespace

ProcessorFacts processor_facts(CpuidLookup const& lookup)
{
    constexpr std::uint32_t intel_ebx = 0x756E'6547; // "Genu"
    constexpr std::uint32_t extended_features = 0x8000'0001;
    constexpr std::uint32_t address_sizes = 0x8000'0008;
    constexpr std::uint32_t xsave_leaf = 0xD;

    auto const basic = lookup(1, 0);
    auto const extended = lookup(extended_features, 0);
    ProcessorFacts facts;
    facts.vendor = lookup(0, 0).ebx == intel_ebx ? 1 : 0;
    unsigned position = 0;
    for (auto const& feature : features) {
        auto const& leaf = feature.extended ? extended : basic;
        facts.features |= bit_if(abi::bit(leaf.*feature.reg, feature.bit), position++);
    }
    facts.xsave_features = bit_if(abi::bit(basic.ecx, 26), 0) |                // XsaveSupport
                           bit_if(abi::bit(lookup(xsave_leaf, 1).eax, 0), 1) | // XsaveoptSupport
                           bit_if(abi::bit(basic.ecx, 28), 2);                 // AvxSupport
    facts.cache_line_flush_size = basic.ebx >> 8 & 0xFF;
    facts.physical_address_bits = lookup(address_sizes, 0).eax & 0xFF;
    return facts;
}

} // namespace hv
