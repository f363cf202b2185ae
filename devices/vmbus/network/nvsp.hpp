/// What a guest and its network card say to each other on a channel: versions, shared buffers, and where RNDIS
/// messages lie. Layouts and numbers are those of Linux drivers/net/hyperv/hyperv_net.h; the padded sizes those of
/// OpenVMM's netvsp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace devices::network::nvsp {

enum class Version : std::uint32_t {
    None = 0,
    V1 = 0x2,
    V2 = 0x30002,
    V4 = 0x40000,
    V5 = 0x50000,
    V6 = 0x60000,
    V61 = 0x60001,
};

[[nodiscard]] constexpr Version known_version(std::uint32_t value)
{
    for (auto const version : {Version::V1, Version::V2, Version::V4, Version::V5, Version::V6, Version::V61})
        if (static_cast<std::uint32_t>(version) == value) return version;
    return Version::None;
}

enum class Type : std::uint32_t {
    Init = 1,
    InitComplete = 2,
    SendNdisVersion = 100,
    SendReceiveBuffer = 101,
    SendReceiveBufferComplete = 102,
    RevokeReceiveBuffer = 103,
    SendSendBuffer = 104,
    SendSendBufferComplete = 105,
    RevokeSendBuffer = 106,
    SendRndisPacket = 107,
    SendRndisPacketComplete = 108,
    SendNdisConfig = 125, ///< from version 2
    SwitchDataPath = 129, ///< from version 4
    OidQueryEx = 131,     ///< from version 5, as the next four
    OidQueryExComplete = 132,
    SubChannel = 133,
    SendIndirectionTable = 134,
    PacketDirect = 135, ///< from version 6
};

enum class Status : std::uint32_t {
    None = 0,
    Success = 1,
    Failure = 2,
    InvalidRndisPacket = 5,
    Busy = 6,
};

/// Messages are padded to a size that depends on the version.
inline constexpr std::size_t size_to_v6 = 32;
inline constexpr std::size_t size_from_v61 = 40;

struct Init {
    Type type;
    std::uint32_t version;
    std::uint32_t version_again;
};

struct InitComplete {
    Type type;
    std::uint32_t version; ///< of version 1 only; otherwise 0xFFFFFFFF
    std::uint32_t max_mdl_chain;
    Status status;
};

struct SendNdisVersion {
    Type type;
    std::uint32_t major;
    std::uint32_t minor;
};

struct SendBuffer { ///< SendReceiveBuffer and SendSendBuffer
    Type type;
    std::uint32_t gpadl;
    std::uint16_t id;
    std::uint16_t reserved;
};
static_assert(sizeof(SendBuffer) == 12);

struct ReceiveBufferComplete {
    Type type;
    Status status;
    std::uint32_t section_count; ///< of those that follow, which is one
    std::uint32_t offset;
    std::uint32_t allocation_size;
    std::uint32_t allocation_count;
    std::uint32_t end;
};
static_assert(sizeof(ReceiveBufferComplete) == 28);

struct SendBufferComplete {
    Type type;
    Status status;
    std::uint32_t section_size;
};

struct SendRndisPacket {
    Type type;
    std::uint32_t channel; ///< data_channel or control_channel
    std::uint32_t section; ///< of the send buffer, or no_section
    std::uint32_t section_size;
};
inline constexpr std::uint32_t data_channel = 0;
inline constexpr std::uint32_t control_channel = 1;
inline constexpr std::uint32_t no_section = 0xFFFF'FFFF;

struct Completed { ///< SendRndisPacketComplete
    Type type;
    Status status;
};

struct SendNdisConfig {
    Type type;
    std::uint32_t mtu; ///< with the Ethernet header
    std::uint32_t reserved;
    std::uint32_t capabilities;
    std::uint32_t more_capabilities;
};
inline constexpr std::uint32_t capability_rsc = 1U << 7; ///< receive segment coalescing, from version 6.1

struct SubChannelRequest {
    Type type;
    std::uint32_t operation;
    std::uint32_t count;
};
inline constexpr std::uint32_t operation_allocate = 1;

struct SubChannelComplete {
    Type type;
    Status status;
    std::uint32_t count;
};

inline constexpr std::size_t send_table_entries = 16;

struct SendIndirectionTable {
    Type type;
    std::uint32_t count;
    std::uint32_t offset; ///< of the entries, from the start of the message
    std::uint32_t entries[send_table_entries];
};

struct OidQueryExComplete {
    Type type;
    std::uint32_t status; ///< an NDIS status
    std::uint32_t bytes;
};

struct PacketDirectComplete {
    Type type;
    std::uint32_t operation;
    std::uint32_t status; ///< an NDIS status
};

} // namespace devices::network::nvsp
