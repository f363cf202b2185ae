/// The payloads of intercept messages (TLFS 2.0a chapter 16). The memory access and I/O port messages are those of
/// the newest hypervisor, whose layout no text has: from Linux, include/hyperv/hvhdk.h.
#pragma once

#include "hv/abi/register_name.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace hv::abi {

inline constexpr std::size_t intercept_bytes = 16; ///< of an instruction, at most

/// HV_X64_VP_EXECUTION_STATE (§16.2.3).
namespace execution_state {
inline constexpr std::uint16_t cr0_pe = 1U << 2; ///< below it: CPL
inline constexpr std::uint16_t cr0_am = 1U << 3;
inline constexpr std::uint16_t efer_lma = 1U << 4;
inline constexpr std::uint16_t debug_active = 1U << 5;
inline constexpr std::uint16_t interruption_pending = 1U << 6;
inline constexpr std::uint16_t interrupt_shadow = 1U << 12; ///< Linux
} // namespace execution_state

/// HV_X64_INTERCEPT_MESSAGE_HEADER (§16.2.2).
struct InterceptHeader {
    std::uint32_t vp_index;
    std::uint8_t length_and_cr8; ///< bits 3:0 length of the instruction, or 0; 7:4 CR8 (Linux)
    std::uint8_t access;         ///< of intercept_access
    std::uint16_t execution_state;
    SegmentRegister cs;
    std::uint64_t rip;
    std::uint64_t rflags;
};
static_assert(sizeof(InterceptHeader) == 40);

struct MemoryAccessMessage {
    static constexpr std::uint8_t gva_valid = 1U << 0;

    InterceptHeader header;
    std::uint32_t cache_type;
    std::uint8_t instruction_byte_count;
    std::uint8_t access_info;
    std::uint8_t tpr_priority;
    std::uint8_t reserved;
    std::uint64_t gva;
    std::uint64_t gpa;
    std::array<std::uint8_t, intercept_bytes> instruction;
};
static_assert(sizeof(MemoryAccessMessage) == 80);

struct IoPortMessage {
    static constexpr std::uint8_t string_operation = 1U << 3; ///< below it: size in bytes
    static constexpr std::uint8_t rep_prefix = 1U << 4;

    InterceptHeader header;
    std::uint16_t port;
    std::uint8_t access_info;
    std::uint8_t instruction_byte_count;
    std::uint32_t reserved;
    std::uint64_t rax;
    std::array<std::uint8_t, intercept_bytes> instruction;
    SegmentRegister ds;
    SegmentRegister es;
    std::uint64_t rcx;
    std::uint64_t rsi;
    std::uint64_t rdi;
};
static_assert(sizeof(IoPortMessage) == 128 && offsetof(IoPortMessage, rcx) == 104);

struct MsrMessage {
    InterceptHeader header;
    std::uint32_t msr;
    std::uint32_t reserved;
    std::uint64_t rdx;
    std::uint64_t rax;
};
static_assert(sizeof(MsrMessage) == 64);

/// Of a level-triggered interrupt (Linux, include/hyperv/hvhdk.h, hv_x64_apic_eoi_message).
struct ApicEoiMessage {
    std::uint32_t vp_index;
    std::uint32_t vector;
};

/// Of 0x8000003F (Linux, include/hyperv/hvhdk.h, hv_opaque_intercept_message).
struct OpaqueInterceptMessage {
    std::uint32_t vp_index;
    std::uint32_t reserved;
};

} // namespace hv::abi
