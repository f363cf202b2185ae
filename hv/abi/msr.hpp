/// Synthetic MSR numbers (TLFS 6.0b appendix F). Two have their numbers from Linux: TscInvariantControl
/// (arch/x86/include/asm/hyperv-tlfs.h), and SIRBP (include/hyperv/hvgdk_mini.h), which 6.0b §15.11 names.
#pragma once

#include <cstdint>

namespace hv::abi::msr {

inline constexpr std::uint32_t first = 0x4000'0000;
inline constexpr std::uint32_t count = 0x200;

inline constexpr std::uint32_t guest_os_id = 0x4000'0000;
inline constexpr std::uint32_t hypercall = 0x4000'0001;
inline constexpr std::uint32_t vp_index = 0x4000'0002;
inline constexpr std::uint32_t reset = 0x4000'0003;
inline constexpr std::uint32_t vp_runtime = 0x4000'0010;
inline constexpr std::uint32_t time_ref_count = 0x4000'0020;
inline constexpr std::uint32_t reference_tsc = 0x4000'0021;
inline constexpr std::uint32_t tsc_frequency = 0x4000'0022;
inline constexpr std::uint32_t apic_frequency = 0x4000'0023;
inline constexpr std::uint32_t eoi = 0x4000'0070; ///< this to tpr are the local APIC's
inline constexpr std::uint32_t tpr = 0x4000'0072;
inline constexpr std::uint32_t vp_assist_page = 0x4000'0073;
inline constexpr std::uint32_t scontrol = 0x4000'0080;
inline constexpr std::uint32_t sversion = 0x4000'0081;
inline constexpr std::uint32_t siefp = 0x4000'0082;
inline constexpr std::uint32_t simp = 0x4000'0083;
inline constexpr std::uint32_t eom = 0x4000'0084;
inline constexpr std::uint32_t sirbp = 0x4000'0085;
inline constexpr std::uint32_t sint0 = 0x4000'0090;
inline constexpr std::uint32_t sint15 = 0x4000'009F;
inline constexpr std::uint32_t stimer0_config = 0x4000'00B0;
inline constexpr std::uint32_t stimer3_count = 0x4000'00B7;
inline constexpr std::uint32_t guest_idle = 0x4000'00F0;
inline constexpr std::uint32_t crash_p0 = 0x4000'0100;
inline constexpr std::uint32_t crash_p4 = 0x4000'0104;
inline constexpr std::uint32_t crash_ctl = 0x4000'0105;
inline constexpr std::uint32_t tsc_invariant_control = 0x4000'0118;

} // namespace hv::abi::msr
