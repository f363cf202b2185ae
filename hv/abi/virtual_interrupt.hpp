/// Interrupts that a parent asserts in its children (TLFS 2.0a §13.4, §13.5; newest, HvCallAssertVirtualInterrupt and
/// its data types).
#pragma once

#include "hv/abi/bits.hpp"

#include <cstddef>
#include <cstdint>

namespace hv::abi {

/// HV_INTERRUPT_TYPE. Up to ExtInt, the numbers are the local APIC's delivery modes (Intel SDM vol. 3 §11.6.1). 2.0a
/// has neither Smi and RemoteRead nor the last two.
enum class InterruptType : std::uint32_t {
    Fixed = 0,
    LowestPriority = 1,
    Smi = 2,
    RemoteRead = 3,
    Nmi = 4,
    Init = 5,
    Sipi = 6,
    ExtInt = 7,
    LocalInt0 = 8,
    LocalInt1 = 9,
};

/// HV_INTERRUPT_CONTROL.
struct InterruptControl {
    InterruptType type;
    std::uint32_t flags;

    [[nodiscard]] constexpr bool level_triggered() const { return bit(flags, 0); }
    [[nodiscard]] constexpr bool logical_destination() const { return bit(flags, 1); }
    [[nodiscard]] constexpr bool reserved_clear() const { return flags >> 2 == 0; }
};

inline constexpr std::uint32_t no_interrupt_vector = 0xFFFF'FFFF; ///< HV_INTERRUPT_VECTOR_NONE: a deassertion

struct AssertVirtualInterruptInput { // 0x0055
    std::uint64_t partition;
    InterruptControl control;
    std::uint64_t destination;
    std::uint32_t vector;
    std::uint32_t padding;
};
static_assert(sizeof(AssertVirtualInterruptInput) == 32 && offsetof(AssertVirtualInterruptInput, vector) == 24);

struct AssertVirtualInterruptVtlInput { // 0x0094
    std::uint64_t partition;
    InterruptControl control;
    std::uint64_t destination;
    std::uint32_t vector;
    std::uint8_t target_vtl;
    std::uint8_t reserved0;
    std::uint16_t reserved1;
};
static_assert(sizeof(AssertVirtualInterruptVtlInput) == 32 &&
              offsetof(AssertVirtualInterruptVtlInput, target_vtl) == 28);

struct ClearVirtualInterruptInput { // 0x0056
    std::uint64_t partition;
};

} // namespace hv::abi
