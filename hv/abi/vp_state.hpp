/// State of a VP as parents save and restore it: HvCallGetVpState, HvCallSetVpState. No text has them: from Linux,
/// include/hyperv/hvhdk.h (hv_input_get_vp_state, hv_local_interrupt_controller_state, hv_synthetic_timers_state).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace hv::abi {

/// HV_GET_SET_VP_STATE_TYPE. Those with bit 31 lie in pages of the caller's, whose numbers follow the header; the
/// other lies behind the header itself, or in the output.
enum class VpStateType : std::uint32_t {
    LocalApic = 0x8000'0000,
    Xsave = 0x8000'0001,
    MessagePage = 0x8000'0002,
    EventFlagsPage = 0x8000'0003,
    SyntheticTimers = 4,
};

struct VpStateInput { // 0x00E3, 0x00E4: header
    std::uint64_t partition;
    std::uint32_t vp_index;
    std::uint8_t input_vtl;
    std::uint8_t reserved0[3];
    VpStateType type;
    std::uint32_t reserved1;
    std::uint64_t xsave_flags;
    std::uint64_t xsave_states; ///< components, as in XCR0
};
static_assert(sizeof(VpStateInput) == 40);

/// The registers of a local APIC (Intel SDM vol. 3 §11.4.1).
struct LocalApicState {
    std::uint32_t id;
    std::uint32_t version;
    std::uint32_t logical_destination;
    std::uint32_t destination_format;
    std::uint32_t spurious;
    std::array<std::uint32_t, 8> in_service;
    std::array<std::uint32_t, 8> trigger_mode;
    std::array<std::uint32_t, 8> requested;
    std::uint32_t error_status;
    std::uint32_t command_high;
    std::uint32_t command_low;
    std::uint32_t timer;
    std::uint32_t thermal;
    std::uint32_t performance;
    std::uint32_t lint0;
    std::uint32_t lint1;
    std::uint32_t error;
    std::uint32_t machine_check;
    std::uint32_t pending_error_status; ///< that the next write to the register will show: KVM has none
    std::uint32_t initial_count;
    std::uint32_t current_count;
    std::uint32_t divide;
    std::uint32_t remote_read;
};
static_assert(sizeof(LocalApicState) == 176);

struct SyntheticTimerState {
    std::uint32_t flags; ///< bit 0: a message waits
    std::uint32_t reserved;
    std::uint64_t config;
    std::uint64_t count;
    std::uint64_t adjustment;
    std::uint64_t undelivered_expiry;
};

struct SyntheticTimersState {
    std::array<SyntheticTimerState, 4> timers;
    std::uint64_t reserved[5];
};
static_assert(sizeof(SyntheticTimersState) == 200);

} // namespace hv::abi
