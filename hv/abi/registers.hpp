/// The one-word synthetic registers: SynIC (TLFS 2.0a §14.6, 6.0b §11.8), timers (2.0a §15.3, 6.0b §12.5), overlay
/// page locations, crash control (6.0b §4.3).
#pragma once

#include "hv/abi/bits.hpp"
#include "hv/abi/types.hpp"

#include <cstddef>
#include <cstdint>

namespace hv::abi {

/// HYPERCALL, SIEFP, SIMP, SIRBP, REFERENCE_TSC and VP_ASSIST_PAGE: a page number and an enable bit.
struct PageRegister {
    std::uint64_t word = 0;

    [[nodiscard]] constexpr bool enabled() const { return bit(word, 0); }
    [[nodiscard]] constexpr Gpa page() const { return Gpa{word & ~(page_size - 1)}; }
};

inline constexpr std::uint64_t hypercall_locked = 2; ///< HYPERCALL bit 1: immutable until reset

struct SintRegister {
    static constexpr std::uint64_t reset_value = 0x1'0000;
    static constexpr std::uint8_t lowest_vector = 16;

    std::uint64_t word = reset_value;

    [[nodiscard]] constexpr std::uint8_t vector() const { return static_cast<std::uint8_t>(word); }
    [[nodiscard]] constexpr bool masked() const { return bit(word, 16); }
    [[nodiscard]] constexpr bool auto_eoi() const { return bit(word, 17); }
    [[nodiscard]] constexpr bool polling() const { return bit(word, 18); }
    /// Instead of its interrupt there is a message to SINT0 (newest; Linux).
    [[nodiscard]] constexpr bool as_intercept() const { return bit(word, 19); }
    /// Takes nothing: polling has the effect of unmasking, but for the interrupt (6.0b §11.8.5).
    [[nodiscard]] constexpr bool closed() const { return masked() && !polling(); }
};

struct StimerConfig {
    static constexpr std::uint64_t enable_bit = 1;
    static constexpr std::uint64_t direct_bit = 1 << 12;
    static constexpr std::uint64_t writable = 0xF'1FFF; ///< bits 15:13 and 63:20 are reserved

    std::uint64_t word = 0;

    [[nodiscard]] constexpr bool enabled() const { return bit(word, 0); }
    [[nodiscard]] constexpr bool periodic() const { return bit(word, 1); }
    [[nodiscard]] constexpr bool lazy() const { return bit(word, 2); }
    [[nodiscard]] constexpr bool auto_enable() const { return bit(word, 3); }
    [[nodiscard]] constexpr std::uint8_t apic_vector() const { return static_cast<std::uint8_t>(field<4, 8>(word)); }
    [[nodiscard]] constexpr bool direct() const { return bit(word, 12); }
    [[nodiscard]] constexpr Sint sint() const { return Sint{static_cast<std::uint32_t>(field<16, 4>(word))}; }
};

inline constexpr std::uint32_t synic_version = 1;
inline constexpr std::uint64_t crash_message = std::uint64_t{1} << 62; ///< CRASH_CTL: P3 and P4 locate a text
inline constexpr std::uint64_t crash_notify = std::uint64_t{1} << 63;  ///< CRASH_CTL: the guest has crashed
inline constexpr std::size_t crash_parameter_count = 5;

/// HV_REFERENCE_TSC_PAGE (TLFS 2.0a §15.4.2), its used part.
struct ReferenceTscPage {
    std::uint32_t sequence; ///< 0: the page is not to be used
    std::uint32_t reserved;
    std::uint64_t scale;
    std::int64_t offset;
};
static_assert(sizeof(ReferenceTscPage) == 24);

} // namespace hv::abi
