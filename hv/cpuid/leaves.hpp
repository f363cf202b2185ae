/// The hypervisor CPUID leaves of one partition (TLFS 6.0b §2.4).
#pragma once

#include "hv/cpuid/privileges.hpp"

#include <array>
#include <cstdint>

namespace hv {

struct CpuidLeaf {
    std::uint32_t function;
    std::uint32_t eax;
    std::uint32_t ebx;
    std::uint32_t ecx;
    std::uint32_t edx;
};

struct CpuidLimits {
    std::uint32_t max_vps;
    std::uint32_t physical_address_bits; ///< of the processor, as leaf 0x40000004 ECX reports them
};

/// Leaves 0x40000000 to 0x40000006: what is implemented and offered, and nothing else.
[[nodiscard]] std::array<CpuidLeaf, 7> hypervisor_leaves(Rights const& rights, CpuidLimits const& limits);

} // namespace hv
