#include "hv/cpuid/leaves.hpp"

#include "hv/abi/cpuid.hpp"

namespace hv {

namespace {

/// Identity is "for reporting and diagnostic purposes" only; guests print it. That of a current Windows Server.
constexpr std::uint32_t build_number = 20348;
constexpr std::uint32_t version_10_0 = 10U << 16;

} // namespace

std::array<CpuidLeaf, 7> hypervisor_leaves(Rights const& rights, CpuidLimits const& limits)
{
    namespace cpuid = abi::cpuid;
    constexpr auto recommended = cpuid::recommend_relaxed_timing | cpuid::recommend_deprecate_auto_eoi;
    return {{
        {cpuid::first_leaf, cpuid::hardware, cpuid::vendor_ebx, cpuid::vendor_ecx, cpuid::vendor_edx},
        {cpuid::interface, cpuid::interface_hv1, 0, 0, 0},
        {cpuid::identity, build_number, version_10_0, 0, 0},
        {cpuid::features, rights.eax(), rights.ebx(), 0, rights.edx()},
        {cpuid::recommendations, recommended | rights.recommendations(), cpuid::spin_wait_attempts,
         limits.physical_address_bits, 0},
        {cpuid::limits, limits.max_vps, 0, 0, 0},
        {cpuid::hardware, 0, 0, 0, 0},
    }};
}

} // namespace hv
