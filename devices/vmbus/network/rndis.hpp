/// Remote NDIS messages: control of a network card, and frames with what is known of them. Layouts and numbers are
/// those of Linux include/linux/rndis.h and drivers/net/hyperv/hyperv_net.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace devices::network::rndis {

enum class Type : std::uint32_t {
    Packet = 1,
    Initialize = 2,
    Halt = 3,
    Query = 4,
    Set = 5,
    Reset = 6,
    Indicate = 7,
    KeepAlive = 8,
    InitializeComplete = 0x8000'0002,
    QueryComplete = 0x8000'0004,
    SetComplete = 0x8000'0005,
    ResetComplete = 0x8000'0006,
    KeepAliveComplete = 0x8000'0008,
};

/// NDIS status values.
enum class Status : std::uint32_t {
    Success = 0,
    MediaConnect = 0x4001'000B,
    MediaDisconnect = 0x4001'000C,
    Failure = 0xC000'0001,
    NotSupported = 0xC000'00BB,
    InvalidLength = 0xC001'0014,
    InvalidData = 0xC001'0015,
};

struct Header {
    Type type;
    std::uint32_t length; ///< of the message with this header, bytes
};
static_assert(sizeof(Header) == 8);

inline constexpr std::uint32_t connectionless = 1;
inline constexpr std::uint32_t medium_ethernet = 0;

struct Initialize {
    std::uint32_t request;
    std::uint32_t major;
    std::uint32_t minor;
    std::uint32_t max_transfer_size;
};

struct InitializeComplete {
    std::uint32_t request;
    Status status;
    std::uint32_t major;
    std::uint32_t minor;
    std::uint32_t device_flags;
    std::uint32_t medium;
    std::uint32_t max_packets_per_message;
    std::uint32_t max_transfer_size;
    std::uint32_t alignment_factor; ///< a power of two
    std::uint32_t reserved[2];
};
static_assert(sizeof(InitializeComplete) == 44);

struct Request { ///< Query and Set
    std::uint32_t request;
    std::uint32_t oid;
    std::uint32_t info_length;
    std::uint32_t info_offset; ///< from the start of this structure
    std::uint32_t handle;
};

struct QueryComplete {
    std::uint32_t request;
    Status status;
    std::uint32_t info_length;
    std::uint32_t info_offset;
};

struct Complete { ///< Set and KeepAlive
    std::uint32_t request;
    Status status;
};

struct ResetComplete {
    Status status;
    std::uint32_t addressing_reset;
};

struct Indicate {
    Status status;
    std::uint32_t buffer_length;
    std::uint32_t buffer_offset;
};

/// Offsets are from the start of this structure.
struct Packet {
    std::uint32_t data_offset;
    std::uint32_t data_length;
    std::uint32_t oob_offset;
    std::uint32_t oob_length;
    std::uint32_t oob_elements;
    std::uint32_t info_offset; ///< of the packet's infos
    std::uint32_t info_length;
    std::uint32_t handle;
    std::uint32_t reserved;
};
static_assert(sizeof(Packet) == 36);

/// Before each info about a packet.
struct PacketInfo {
    std::uint32_t size;   ///< with this header
    std::uint32_t type;   ///< bit 31: not NDIS's, but the protocol's own
    std::uint32_t offset; ///< of the value
};

inline constexpr std::uint32_t info_checksum = 0;
inline constexpr std::uint32_t info_large_send = 2;
inline constexpr std::uint32_t info_vlan = 6;
inline constexpr std::uint32_t info_hash = 9;
inline constexpr std::uint32_t info_fragment = 0x8000'0001;

/// The checksum info of a frame that the guest sends.
namespace send_checksum {
inline constexpr std::uint32_t ipv4 = 1U << 0;
inline constexpr std::uint32_t ipv6 = 1U << 1;
inline constexpr std::uint32_t tcp = 1U << 2;
inline constexpr std::uint32_t udp = 1U << 3;
inline constexpr std::uint32_t ip_header = 1U << 4;
inline constexpr unsigned header_shift = 16; ///< ten bits: where the TCP or UDP header starts
} // namespace send_checksum

/// The checksum info of a frame that the guest receives.
namespace receive_checksum {
inline constexpr std::uint32_t tcp_good = 1U << 3;
inline constexpr std::uint32_t udp_good = 1U << 4;
inline constexpr std::uint32_t ip_good = 1U << 5;
inline constexpr std::uint32_t tcp_value_invalid = 1U << 7;
} // namespace receive_checksum

/// The large-send info.
namespace large_send {
inline constexpr std::uint32_t segment_mask = 0xF'FFFF;
inline constexpr unsigned header_shift = 20; ///< ten bits: where the TCP header starts
inline constexpr std::uint32_t ipv6 = 1U << 31;
} // namespace large_send

/// The info of one of several sections that hold one frame.
struct Fragment {
    std::uint8_t version;
    std::uint8_t flags;
    std::uint16_t id;
};
inline constexpr std::uint8_t fragment_version = 1;
inline constexpr std::uint8_t fragment_of_frame = 1;
inline constexpr std::uint8_t first_fragment = 2;
inline constexpr std::uint8_t last_fragment = 4;

} // namespace devices::network::rndis
