/// SynIC messages (TLFS 2.0a §14.8.2–14.8.4). The PDFs print PayloadSize last in the header; the newest page and
/// every shipped guest have it right behind the type, and theirs is the layout that counts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace hv::abi {

enum class MessageType : std::uint32_t {
    None = 0,
    UnmappedGpa = 0x8000'0000,
    GpaIntercept = 0x8000'0001,
    TimerExpired = 0x8000'0010,
    UnrecoverableException = 0x8000'0021,
    OpaqueIntercept = 0x8000'003F,    ///< newest: look into the intercept message page
    SynicSintIntercept = 0x8000'0061, ///< Linux (include/hyperv/hvgdk_mini.h): what a SINT would have interrupted for
    IoPortIntercept = 0x8001'0000,
    MsrIntercept = 0x8001'0001,
    ApicEoi = 0x8001'0004, ///< newest; 2.0a has another number
    Halt = 0x8001'0007,    ///< newest
};

inline constexpr std::uint32_t hypervisor_message_mask = 0x8000'0000; ///< HV_MESSAGE_TYPE_HYPERVISOR_MASK
inline constexpr std::size_t max_payload = 240;                       ///< HV_MESSAGE_MAX_PAYLOAD_BYTE_COUNT
inline constexpr std::uint8_t message_pending = 1;                    ///< HV_MESSAGE_FLAGS.MessagePending

struct MessageHeader {
    MessageType type;
    std::uint8_t payload_size; ///< bytes
    std::uint8_t flags;
    std::uint16_t reserved;
    std::uint64_t origin; ///< the port ID of a guest message, the child of an intercept; zero for a timer
};

struct Message {
    MessageHeader header;
    std::array<std::uint64_t, max_payload / 8> payload;
};

static_assert(sizeof(Message) == 256);
static_assert(offsetof(MessageHeader, payload_size) == 4 && offsetof(MessageHeader, flags) == 5);
static_assert(offsetof(MessageHeader, origin) == 8 && offsetof(Message, payload) == 16);

/// HV_TIMER_MESSAGE_PAYLOAD (TLFS 2.0a §16.4). Times are partition reference time.
struct TimerPayload {
    std::uint32_t timer_index;
    std::uint32_t reserved;
    std::uint64_t expiration_time;
    std::uint64_t delivery_time;
};
static_assert(sizeof(TimerPayload) == 24);

/// Of SynicSintIntercept (Linux, hv_notification_message_payload).
struct SintNotice {
    std::uint32_t sint;
};

} // namespace hv::abi
