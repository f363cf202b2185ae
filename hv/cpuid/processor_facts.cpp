#include "hv/cpuid/processor_facts.hpp"

#include "hv/abi/bits.hpp"

namespace hv {

namespace {

/// A feature, and the CPUID bit that tells it (AMD APM vol. 3, appendix E; Intel SDM vol. 2, CPUID).
struct FeatureBit {
    unsigned position; ///< in HV_PARTITION_PROCESSOR_FEATURES
    std::uint32_t function;
    std::uint32_t index;
    std::uint32_t CpuidLeaf::*reg;
    unsigned bit;
};

constexpr std::uint32_t basic_leaf = 1, structured_leaf = 7, extended_leaf = 0x8000'0001, power_leaf = 0x8000'0007,
                        sizes_leaf = 0x8000'0008;
constexpr auto eax = &CpuidLeaf::eax, ebx = &CpuidLeaf::ebx, ecx = &CpuidLeaf::ecx, edx = &CpuidLeaf::edx;

/// HV_PARTITION_PROCESSOR_FEATURES (TLFS 2.0a §5.2.8 has the first 15 bits, the newest data-types page all): those
/// that a CPUID bit tells. Bits from 64 on are of the second bank. Sse5Support is XOP by now.
constexpr FeatureBit features[] = {
    {0, basic_leaf, 0, ecx, 0},        // Sse3Support
    {1, extended_leaf, 0, ecx, 0},     // LahfSahfSupport
    {2, basic_leaf, 0, ecx, 9},        // Ssse3Support
    {3, basic_leaf, 0, ecx, 19},       // Sse4_1Support
    {4, basic_leaf, 0, ecx, 20},       // Sse4_2Support
    {5, extended_leaf, 0, ecx, 6},     // Sse4aSupport
    {6, extended_leaf, 0, ecx, 11},    // Sse5Support
    {7, basic_leaf, 0, ecx, 23},       // PopCntSupport
    {8, basic_leaf, 0, ecx, 13},       // Cmpxchg16bSupport
    {9, extended_leaf, 0, ecx, 4},     // Altmovcr8Support
    {10, extended_leaf, 0, ecx, 5},    // LzcntSupport
    {11, extended_leaf, 0, ecx, 7},    // MisAlignSseSupport
    {12, extended_leaf, 0, edx, 22},   // MmxExtSupport
    {13, extended_leaf, 0, edx, 31},   // Amd3DNowSupport
    {14, extended_leaf, 0, edx, 30},   // ExtendedAmd3DNowSupport
    {15, extended_leaf, 0, edx, 26},   // Page1GbSupport
    {16, basic_leaf, 0, ecx, 25},      // AesSupport
    {17, basic_leaf, 0, ecx, 1},       // PclmulqdqSupport
    {18, basic_leaf, 0, ecx, 17},      // PcidSupport
    {19, extended_leaf, 0, ecx, 16},   // Fma4Support
    {20, basic_leaf, 0, ecx, 29},      // F16CSupport
    {21, basic_leaf, 0, ecx, 30},      // RdRandSupport
    {22, structured_leaf, 0, ebx, 0},  // RdWrFsGsSupport
    {23, structured_leaf, 0, ebx, 7},  // SmepSupport
    {24, structured_leaf, 0, ebx, 9},  // EnhancedFastStringSupport
    {25, structured_leaf, 0, ebx, 3},  // Bmi1Support
    {26, structured_leaf, 0, ebx, 8},  // Bmi2Support
    {29, basic_leaf, 0, ecx, 22},      // MovbeSupport
    {31, structured_leaf, 0, ebx, 13}, // DepX87FPUSaveSupport
    {32, structured_leaf, 0, ebx, 18}, // RdSeedSupport
    {33, structured_leaf, 0, ebx, 19}, // AdxSupport
    {34, extended_leaf, 0, ecx, 8},    // IntelPrefetchSupport
    {35, structured_leaf, 0, ebx, 20}, // SmapSupport
    {36, structured_leaf, 0, ebx, 4},  // HleSupport
    {37, structured_leaf, 0, ebx, 11}, // RtmSupport
    {38, extended_leaf, 0, edx, 27},   // RdtscpSupport
    {39, structured_leaf, 0, ebx, 23}, // ClflushoptSupport
    {40, structured_leaf, 0, ebx, 24}, // ClwbSupport
    {41, structured_leaf, 0, ebx, 29}, // ShaSupport
    {42, sizes_leaf, 0, ebx, 2},       // X87PointersSavedSupport
    {43, structured_leaf, 0, ebx, 10}, // InvpcidSupport
    {44, structured_leaf, 0, edx, 26}, // IbrsSupport
    {45, structured_leaf, 0, edx, 27}, // StibpSupport
    {46, sizes_leaf, 0, ebx, 12},      // IbpbSupport
    {49, structured_leaf, 0, edx, 4},  // FastShortRepMovSupport
    {57, structured_leaf, 0, ecx, 22}, // RdPidSupport
    {58, structured_leaf, 0, ecx, 2},  // UmipSupport
    {60, structured_leaf, 0, edx, 10}, // MdClearSupport
    {65, power_leaf, 0, edx, 8},       // TscInvariantSupport
    {66, sizes_leaf, 0, ebx, 0},       // ClZeroSupport
    {67, sizes_leaf, 0, ebx, 4},       // RdpruSupport
    {68, structured_leaf, 0, ecx, 16}, // La57Support
    {71, sizes_leaf, 0, ebx, 28},      // PsfdSupport
    {76, structured_leaf, 0, ecx, 5},  // UmwaitTpauseSupport
    {77, structured_leaf, 0, ecx, 27}, // MovdiriSupport
    {78, structured_leaf, 0, ecx, 28}, // Movdir64bSupport
    {79, structured_leaf, 0, ecx, 25}, // CldemoteSupport
    {80, structured_leaf, 0, edx, 14}, // SerializeSupport
    {81, basic_leaf, 0, ecx, 24},      // TscDeadlineTmrSupport
    {82, structured_leaf, 0, ebx, 1},  // TscAdjustSupport
    {83, structured_leaf, 1, eax, 10}, // FZLRepMovsb
    {84, structured_leaf, 1, eax, 11}, // FSRepStosb
    {85, structured_leaf, 1, eax, 12}, // FSRepCmpsb
};

std::uint64_t bit_if(bool set, unsigned position)
{
    return set ? std::uint64_t{1} << position : 0;
}

} // namespace

ProcessorFacts processor_facts(CpuidLookup const& lookup)
{
    constexpr std::uint32_t intel_ebx = 0x756E'6547; // "Genu"
    constexpr std::uint32_t xsave_leaf = 0xD;

    auto const basic = lookup(basic_leaf, 0);
    ProcessorFacts facts;
    facts.vendor = lookup(0, 0).ebx == intel_ebx ? 1 : 0;
    for (auto const& feature : features) {
        constexpr unsigned bank_bits = 64;
        bool const set = abi::bit(lookup(feature.function, feature.index).*feature.reg, feature.bit);
        auto& bank = feature.position < bank_bits ? facts.features : facts.more_features;
        bank |= bit_if(set, feature.position % bank_bits);
    }
    facts.xsave_features = bit_if(abi::bit(basic.ecx, 26), 0) |                // XsaveSupport
                           bit_if(abi::bit(lookup(xsave_leaf, 1).eax, 0), 1) | // XsaveoptSupport
                           bit_if(abi::bit(basic.ecx, 28), 2);                 // AvxSupport
    facts.cache_line_flush_size = basic.ebx >> 8 & 0xFF;
    facts.physical_address_bits = lookup(sizes_leaf, 0).eax & 0xFF;
    return facts;
}

} // namespace hv
