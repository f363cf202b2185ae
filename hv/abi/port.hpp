/// Inputs of the port and connection calls (TLFS 2.0a §14.8.6–14.9.8; the newest pages for 0x0095 and 0x0096).
#pragma once

#include "hv/abi/message.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace hv::abi {

inline constexpr std::uint32_t reserved_id_bits = 0xFF00'0000; ///< of a port or connection ID: must be zero
inline constexpr unsigned message_buffers_per_port = 16;
inline constexpr unsigned event_flag_count = 2048; ///< HV_EVENT_FLAGS_COUNT, per SINT

enum class PortType : std::uint32_t { Message = 1, Event = 2, Monitor = 3, Doorbell = 4 };

/// HV_PORT_INFO. Which of the views holds is said by the type.
struct PortInfo {
    PortType type;
    std::uint32_t padding;
    std::uint32_t target_sint; ///< message and event ports; monitor ports have the page's GPA in these eight bytes
    std::uint32_t target_vp;   ///< message and event ports
    std::uint16_t base_flag;   ///< event ports; zero otherwise
    std::uint16_t flag_count;  ///< event ports; zero otherwise
    std::uint32_t reserved;

    [[nodiscard]] constexpr std::uint64_t monitor_address() const
    {
        return target_sint | std::uint64_t{target_vp} << 32;
    }
    /// Bytes 16 to 23, all reserved in a message port and in a monitor port.
    [[nodiscard]] constexpr bool tail_clear() const { return base_flag == 0 && flag_count == 0 && reserved == 0; }
};
static_assert(sizeof(PortInfo) == 24 && offsetof(PortInfo, base_flag) == 16);

struct CreatePortInput { // 0x0057
    std::uint64_t port_partition;
    std::uint32_t port_id;
    std::uint32_t padding;
    std::uint64_t connection_partition;
    PortInfo info;
};
static_assert(sizeof(CreatePortInput) == 48 && offsetof(CreatePortInput, info) == 24);

struct CreatePortVtlInput { // 0x0095
    std::uint64_t port_partition;
    std::uint32_t port_id;
    std::uint8_t port_vtl;
    std::uint8_t min_connection_vtl;
    std::uint16_t reserved;
    std::uint64_t connection_partition;
    PortInfo info;
    std::uint64_t proximity; ///< HV_PROXIMITY_DOMAIN_INFO
};
static_assert(sizeof(CreatePortVtlInput) == 56 && offsetof(CreatePortVtlInput, proximity) == 48);

struct DeletePortInput { // 0x0058
    std::uint64_t port_partition;
    std::uint32_t port_id;
    std::uint32_t padding;
};
static_assert(sizeof(DeletePortInput) == 16);

struct ConnectPortInput { // 0x0059
    std::uint64_t connection_partition;
    std::uint32_t connection_id;
    std::uint32_t padding0;
    std::uint64_t port_partition;
    std::uint32_t port_id;
    std::uint32_t padding1;
    PortType type; ///< the first eight bytes of HV_CONNECTION_INFO, or as `info` has it
    std::uint32_t padding2;

    /// The eight bytes of ConnectionInfo that the table of §14.9.3 has: zero, or the GPA of a monitor page.
    [[nodiscard]] constexpr std::uint64_t info() const
    {
        return static_cast<std::uint32_t>(type) | std::uint64_t{padding2} << 32;
    }
};
static_assert(sizeof(ConnectPortInput) == 40 && offsetof(ConnectPortInput, type) == 32);

struct ConnectPortVtlInput { // 0x0096
    std::uint64_t connection_partition;
    std::uint32_t connection_id;
    std::uint8_t connection_vtl;
    std::uint8_t reserved0;
    std::uint16_t reserved1;
    std::uint64_t port_partition;
    std::uint32_t port_id;
    std::uint32_t reserved2;
    PortType type;
    std::uint32_t padding;
    std::array<std::uint64_t, 3> info; ///< of a monitor port: its page's GPA first
    std::uint64_t proximity;
};
static_assert(sizeof(ConnectPortVtlInput) == 72 && offsetof(ConnectPortVtlInput, type) == 32);

/// HV_CONNECTION_INFO of a doorbell: the three words of `ConnectPortVtlInput::info`.
struct DoorbellInfo {
    static constexpr std::uint64_t size_mask = 7; ///< of `flags`: 0 any size, or 1 to 4 for 1, 2, 4 or 8 bytes
    static constexpr std::uint64_t any_value = 1U << 31;

    std::uint64_t gpa;
    std::uint64_t trigger_value;
    std::uint64_t flags;
};

struct NotifyPortRingEmptyInput { // 0x008B (Linux, include/hyperv/hvhdk.h)
    std::uint32_t sint;
    std::uint32_t reserved;
};
static_assert(sizeof(NotifyPortRingEmptyInput) == 8);

/// Of one SINT, in the page of SIRBP, which has sixteen of them (Linux, include/hyperv/hvhdk.h,
/// hv_synic_event_ring). The guest takes ports out in turn, and leaves zeros.
struct EventRing {
    static constexpr std::size_t length = 63;

    std::uint8_t signal_masked; ///< the guest looks by itself
    std::uint8_t full;          ///< ports wait for HvCallNotifyPortRingEmpty
    std::uint16_t reserved;
    std::array<std::uint32_t, length> ports;
};
static_assert(sizeof(EventRing) == 256);

struct DisconnectPortInput { // 0x005B
    std::uint64_t connection_partition;
    std::uint32_t connection_id;
    std::uint32_t padding; ///< bit 0 says in Linux that it is a doorbell's
};
static_assert(sizeof(DisconnectPortInput) == 16);

/// HV_PORT_PROPERTY_CODE (§14.8.7). Later headers name more of them, but no published text says what they mean.
enum class PortProperty : std::uint32_t { PostCount = 0, PreferredTargetVp = 1 };

struct GetPortPropertyInput { // 0x005A
    std::uint64_t partition;
    std::uint32_t port_id;
    std::uint32_t padding0;
    PortProperty code;
    std::uint32_t padding1;
};
static_assert(sizeof(GetPortPropertyInput) == 24 && offsetof(GetPortPropertyInput, code) == 16);

struct SetPortPropertyInput { // 0x0070
    std::uint64_t partition;
    std::uint32_t port_id;
    std::uint32_t padding0;
    PortProperty code;
    std::uint32_t padding1;
    std::uint64_t value;
};
static_assert(sizeof(SetPortPropertyInput) == 32 && offsetof(SetPortPropertyInput, value) == 24);

struct PortPropertyOutput { // 0x005A, 0x0070
    std::uint64_t value;
};

struct PostMessageInput { // 0x005C
    std::uint32_t connection_id;
    std::uint32_t reserved;
    MessageType type;
    std::uint32_t payload_size; ///< bytes
    std::array<std::uint64_t, max_payload / 8> payload;
};
static_assert(sizeof(PostMessageInput) == 256);

struct SignalEventInput { // 0x005D
    std::uint32_t connection_id;
    std::uint16_t flag_number;
    std::uint16_t reserved;
};
static_assert(sizeof(SignalEventInput) == 8);

struct GetPartitionIdOutput { // 0x0046
    std::uint64_t partition_id;
};

} // namespace hv::abi
