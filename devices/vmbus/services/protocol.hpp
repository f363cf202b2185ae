/// What all integration services have in common on the wire. No public specification has it; the layouts are those of
/// Linux include/linux/hyperv.h (vmbuspipe_hdr, icmsg_hdr, icmsg_negotiate) and of OpenVMM's hyperv_ic_protocol.
#pragma once

#include "devices/vmbus/channel/pipe.hpp"
#include "hv/base/state.hpp"

#include <compare>
#include <cstddef>
#include <cstdint>
#include <tuple>

namespace devices::vmbus::ic {

struct Version {
    std::uint16_t major;
    std::uint16_t minor;

    friend constexpr auto operator<=>(Version const&, Version const&) = default;
    static constexpr auto fields()
    {
        return std::tuple{hv::StateField{"major", &Version::major}, hv::StateField{"minor", &Version::minor}};
    }
};

using vmbus::pipe_data;
using vmbus::pipe_mode_message;
using vmbus::PipeHeader;

enum class MessageType : std::uint16_t {
    Negotiate = 0,
    Heartbeat = 1,
    KeyValue = 2,
    Shutdown = 3,
    TimeSync = 4,
};

struct Header {
    Version framework;
    MessageType type;
    Version message;
    std::uint16_t size; ///< of the body that follows, bytes
    std::uint32_t status;
    std::uint8_t transaction; ///< an answer repeats the request's
    std::uint8_t flags;
    std::uint8_t reserved[2];
};
static_assert(sizeof(Header) == 20 && offsetof(Header, status) == 12 && offsetof(Header, flags) == 17);

namespace flags {
inline constexpr std::uint8_t transaction = 1; ///< wants an answer, or is one
inline constexpr std::uint8_t request = 2;
inline constexpr std::uint8_t response = 4;
} // namespace flags

/// HRESULT values (Linux include/uapi/linux/hyperv.h).
namespace status {
inline constexpr std::uint32_t success = 0;
inline constexpr std::uint32_t failed = 0x8000'4005;
inline constexpr std::uint32_t no_more_items = 0x8007'0103;
inline constexpr std::uint32_t not_supported = 0x8007'0032;
} // namespace status

/// Body of a negotiation. The framework's versions follow, then the messages'; the guest answers with one of each, or
/// with none when it can use none.
struct Negotiate {
    std::uint16_t framework_count;
    std::uint16_t message_count;
    std::uint32_t reserved;
};
static_assert(sizeof(Negotiate) == 8);

struct Shutdown {
    std::uint32_t reason; ///< Windows' SHTDN_REASON_…
    std::uint32_t timeout_seconds;
    std::uint32_t flags;
    std::uint8_t text[2048]; ///< for a user, UTF-16
};
static_assert(sizeof(Shutdown) == 2060);

namespace shutdown_flags {
inline constexpr std::uint32_t force = 1;
inline constexpr std::uint32_t reboot = 2;    ///< from 3.1 on
inline constexpr std::uint32_t hibernate = 4; ///< from 3.2 on
} // namespace shutdown_flags

inline constexpr std::uint32_t shutdown_planned = 0x8000'0000; ///< SHTDN_REASON_FLAG_PLANNED

/// Before version 4. Times are in 100 ns.
struct TimeSample {
    std::uint64_t host_time; ///< UTC since 1601
    std::uint64_t guest_time;
    std::uint64_t round_trip;
    std::uint8_t flags;
    std::uint8_t reserved[7];
};
static_assert(offsetof(TimeSample, flags) == 24);

/// From version 4 on.
struct ReferenceTimeSample {
    std::uint64_t host_time;      ///< UTC since 1601
    std::uint64_t reference_time; ///< the partition's, at that moment
    std::uint8_t flags;
    std::uint8_t leap_indicator; ///< as in NTP, like the next
    std::uint8_t stratum;
    std::uint8_t reserved[5];
};
static_assert(sizeof(ReferenceTimeSample) == 24 && offsetof(ReferenceTimeSample, flags) == 16);

namespace time_flags {
inline constexpr std::uint8_t sync = 1;   ///< the guest is to set its clock
inline constexpr std::uint8_t sample = 2; ///< the guest may use it to steer its clock
} // namespace time_flags

/// The guest answers with the next number. From version 3 on it also says how its applications are.
struct Heartbeat {
    std::uint64_t number;
    std::uint32_t application_state; ///< 0 unknown, 1 healthy, 2 critical, 3 stopped
    std::uint32_t reserved[7];
};
static_assert(sizeof(Heartbeat) == 40);

} // namespace devices::vmbus::ic
