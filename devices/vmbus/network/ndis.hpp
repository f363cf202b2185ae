/// What a guest asks and sets of a network card: object identifiers and the structures behind them. Numbers and
/// layouts are those of Linux drivers/net/hyperv/hyperv_net.h and include/linux/rndis.h, and of OpenVMM's netvsp
/// where Linux has none.
#pragma once

#include <cstddef>
#include <cstdint>

namespace devices::network::ndis {

enum class Oid : std::uint32_t {
    SupportedList = 0x0001'0101,
    HardwareStatus = 0x0001'0102,
    MediaSupported = 0x0001'0103,
    MediaInUse = 0x0001'0104,
    MaximumLookahead = 0x0001'0105,
    MaximumFrameSize = 0x0001'0106,
    LinkSpeed = 0x0001'0107,
    TransmitBufferSpace = 0x0001'0108,
    ReceiveBufferSpace = 0x0001'0109,
    TransmitBlockSize = 0x0001'010A,
    ReceiveBlockSize = 0x0001'010B,
    VendorId = 0x0001'010C,
    VendorDescription = 0x0001'010D,
    CurrentPacketFilter = 0x0001'010E,
    CurrentLookahead = 0x0001'010F,
    DriverVersion = 0x0001'0110,
    MaximumTotalSize = 0x0001'0111,
    ProtocolOptions = 0x0001'0112,
    MacOptions = 0x0001'0113,
    MediaConnectStatus = 0x0001'0114,
    MaximumSendPackets = 0x0001'0115,
    VendorDriverVersion = 0x0001'0116,
    NetworkLayerAddresses = 0x0001'0118,
    ReceiveScaleCapabilities = 0x0001'0203,
    ReceiveScaleParameters = 0x0001'0204,
    MaxLinkSpeed = 0x0001'0206,
    LinkState = 0x0001'0207,
    LinkParameters = 0x0001'0208,
    RndisConfigParameter = 0x0001'021B,
    TransmitOk = 0x0002'0101,
    ReceiveOk = 0x0002'0102,
    TransmitError = 0x0002'0103,
    ReceiveError = 0x0002'0104,
    ReceiveNoBuffer = 0x0002'0105,
    FriendlyName = 0x0002'0216,
    BytesReceived = 0x0002'0219,
    BytesTransmitted = 0x0002'021A,
    PermanentAddress = 0x0101'0101,
    CurrentAddress = 0x0101'0102,
    MulticastList = 0x0101'0103,
    MaximumListSize = 0x0101'0104,
    OffloadEncapsulation = 0x0101'010A,
    AlignmentErrors = 0x0102'0101,
    OneCollision = 0x0102'0102,
    MoreCollisions = 0x0102'0103,
    OffloadCurrentConfig = 0xFC01'020B,
    OffloadParameters = 0xFC01'020C,
    OffloadCapabilities = 0xFC01'020D,
};

struct ObjectHeader {
    std::uint8_t type;
    std::uint8_t revision;
    std::uint16_t size;
};

inline constexpr std::uint8_t type_default = 0x80;
inline constexpr std::uint8_t type_rss_capabilities = 0x88;
inline constexpr std::uint8_t type_offload = 0xA7;
inline constexpr std::uint8_t type_offload_encapsulation = 0xA8;

inline constexpr std::uint32_t encapsulation_ethernet = 2;

/// Two bits each; one that is set says "yes".
namespace checksum4 {
inline constexpr std::uint32_t ip_options = 0x001;
inline constexpr std::uint32_t tcp_options = 0x004;
inline constexpr std::uint32_t tcp = 0x010;
inline constexpr std::uint32_t udp = 0x040;
inline constexpr std::uint32_t ip = 0x100;
} // namespace checksum4
namespace checksum6 {
inline constexpr std::uint32_t extension_headers = 0x001;
inline constexpr std::uint32_t tcp_options = 0x004;
inline constexpr std::uint32_t tcp = 0x010;
inline constexpr std::uint32_t udp = 0x040;
} // namespace checksum6

struct Offload {
    struct Checksum {
        std::uint32_t send_encapsulation;
        std::uint32_t send;
        std::uint32_t receive_encapsulation;
        std::uint32_t receive;
    };

    ObjectHeader header;
    Checksum checksum_v4;
    Checksum checksum_v6;
    std::uint32_t large_send_v1[4];
    std::uint32_t ipsec_v1[7];
    struct {
        std::uint32_t encapsulation4;
        std::uint32_t max_size4;
        std::uint32_t min_segments4;
        std::uint32_t encapsulation6;
        std::uint32_t max_size6;
        std::uint32_t min_segments6;
        std::uint32_t options6;
    } large_send;
    std::uint32_t flags;
    std::uint32_t ipsec_v2[8];          ///< from NDIS 6.1
    std::uint8_t receive_coalescing[2]; ///< from NDIS 6.30: IPv4, IPv6
    std::uint8_t reserved[2];
    std::uint32_t encapsulated_gre[2];
};
static_assert(offsetof(Offload, ipsec_v2) == 112);
static_assert(offsetof(Offload, receive_coalescing) == 144);
static_assert(sizeof(Offload) == 156);

inline constexpr std::uint32_t large_send_max = 0xF53C; ///< as Hyper-V's switch says
inline constexpr std::uint32_t large_send6_options = 0x001 | 0x004;

/// Each 0 for "no change". Older guests leave out the end.
struct OffloadParameters {
    ObjectHeader header;
    std::uint8_t ip4_checksum; ///< 1 off, 2 send, 3 receive, 4 both
    std::uint8_t tcp4_checksum;
    std::uint8_t udp4_checksum;
    std::uint8_t tcp6_checksum;
    std::uint8_t udp6_checksum;
    std::uint8_t large_send_v1; ///< 1 off, 2 on
    std::uint8_t ipsec_v1;
    std::uint8_t large_send4; ///< 1 off, 2 on
    std::uint8_t large_send6;
    std::uint8_t tcp_connection[2];
    std::uint8_t reserved;
    std::uint32_t flags;
    std::uint8_t ipsec_v2[2];
    std::uint8_t receive_coalescing[2]; ///< IPv4, IPv6: 1 off, 2 on
    std::uint8_t encapsulation[2];
};
static_assert(offsetof(OffloadParameters, flags) == 16);
static_assert(offsetof(OffloadParameters, receive_coalescing) == 22);

struct OffloadEncapsulation {
    ObjectHeader header;
    std::uint32_t ipv4; ///< 1 on or possible, 2 off
    std::uint32_t type4;
    std::uint32_t header_size4;
    std::uint32_t ipv6;
    std::uint32_t type6;
    std::uint32_t header_size6;
};

struct LinkState {
    ObjectHeader header;
    std::uint32_t connected; ///< 1 connected, 2 not
    std::uint32_t duplex;    ///< 2 full
    std::uint32_t padding;
    std::uint32_t speed[4]; ///< sending and receiving, two 64-bit numbers of bits a second
    std::uint32_t pause;
    std::uint32_t negotiation;
};

namespace rss_capability {
inline constexpr std::uint32_t toeplitz = 0x0000'0001;
inline constexpr std::uint32_t tcp4 = 0x0000'0100;
inline constexpr std::uint32_t tcp6 = 0x0000'0200;
} // namespace rss_capability

struct RssCapabilities {
    ObjectHeader header;
    std::uint32_t flags;
    std::uint32_t interrupt_messages;
    std::uint32_t receive_queues;
    std::uint16_t table_entries;
    std::uint16_t padding;
};
inline constexpr std::uint16_t rss_capabilities_size = 18; ///< what revision 2 counts of it

namespace rss_hash {
inline constexpr std::uint32_t function_mask = 0xFF;
inline constexpr std::uint32_t toeplitz = 0x0000'0001;
inline constexpr std::uint32_t ipv4 = 0x0000'0100;
inline constexpr std::uint32_t tcp4 = 0x0000'0200;
inline constexpr std::uint32_t ipv6 = 0x0000'0400;
inline constexpr std::uint32_t tcp6 = 0x0000'1000;
} // namespace rss_hash

/// Offsets are from the start of the structure.
struct RssParameters {
    ObjectHeader header;
    std::uint16_t flags;
    std::uint16_t base_cpu;
    std::uint32_t hash;
    std::uint16_t table_size; ///< bytes
    std::uint16_t padding;
    std::uint32_t table_offset;
    std::uint16_t key_size;
    std::uint16_t padding2;
    std::uint32_t key_offset;
};
static_assert(sizeof(RssParameters) == 28);

inline constexpr std::uint16_t rss_flag_disable = 0x0010;
inline constexpr std::size_t rss_key_size = 40;
inline constexpr std::size_t rss_table_entries = 128;

struct ConfigParameter {
    std::uint32_t name_offset;
    std::uint32_t name_length; ///< bytes, of UTF-16
    std::uint32_t type;
    std::uint32_t value_offset;
    std::uint32_t value_length;
};
inline constexpr std::uint32_t config_type_string = 2;

namespace packet_filter {
inline constexpr std::uint32_t directed = 0x01;
inline constexpr std::uint32_t multicast = 0x02;
inline constexpr std::uint32_t all_multicast = 0x04;
inline constexpr std::uint32_t broadcast = 0x08;
inline constexpr std::uint32_t promiscuous = 0x20;
} // namespace packet_filter

} // namespace devices::network::ndis
