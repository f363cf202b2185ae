/// What a partition's processors are, as far as partition properties say it.
#pragma once

#include "hv/cpuid/leaves.hpp"

#include <cstdint>
#include <functional>

namespace hv {

struct ProcessorFacts {
    std::uint64_t vendor = 0;                ///< HV_PROCESSOR_VENDOR (TLFS 2.0a §5.2.7): 0 is AMD, 1 is Intel
    std::uint64_t features = 0;              ///< HV_PARTITION_PROCESSOR_FEATURES (§5.2.8; newest), its first bank
    std::uint64_t xsave_features = 0;        ///< HV_PARTITION_PROCESSOR_XSAVE_FEATURES (§5.2.9)
    std::uint64_t cache_line_flush_size = 0; ///< in units of 8 bytes, as CPUID has it (§5.2.10, §5.2.11)
    std::uint32_t physical_address_bits = 0;
    std::uint64_t more_features = 0; ///< the second bank of HV_PARTITION_PROCESSOR_FEATURES (newest)
};

/// A leaf as the guest sees it; zeros when there is none.
using CpuidLookup = std::function<CpuidLeaf(std::uint32_t function, std::uint32_t index)>;

[[nodiscard]] ProcessorFacts processor_facts(CpuidLookup const& lookup);

} // namespace hv
