/// Hypervisor CPUID leaves (TLFS 6.0b §2.4; the newest feature-discovery page) and the bits Porthole knows in them.
#pragma once

#include <cstdint>

namespace hv::abi::cpuid {

inline constexpr std::uint32_t first_leaf = 0x4000'0000;
inline constexpr std::uint32_t interface = 0x4000'0001;
inline constexpr std::uint32_t identity = 0x4000'0002;
inline constexpr std::uint32_t features = 0x4000'0003;
inline constexpr std::uint32_t recommendations = 0x4000'0004;
inline constexpr std::uint32_t limits = 0x4000'0005;
inline constexpr std::uint32_t hardware = 0x4000'0006;

inline constexpr std::uint32_t vendor_ebx = 0x7263'694D; ///< "Micr"
inline constexpr std::uint32_t vendor_ecx = 0x666F'736F; ///< "osof"
inline constexpr std::uint32_t vendor_edx = 0x7648'2074; ///< "t Hv"
inline constexpr std::uint32_t interface_hv1 = 0x3123'7648;

// Recommendations, leaf 0x40000004 EAX.
inline constexpr std::uint32_t recommend_reset_msr = 1U << 4;
inline constexpr std::uint32_t recommend_relaxed_timing = 1U << 5;
inline constexpr std::uint32_t recommend_deprecate_auto_eoi = 1U << 9;
inline constexpr std::uint32_t spin_wait_attempts = 0xFFF; ///< EBX: then HvNotifyLongSpinWait

} // namespace hv::abi::cpuid
