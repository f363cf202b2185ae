#include "devices/vmbus/network/oids.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace devices::network {

namespace {

using ndis::Oid;

template <typename T>
void add(std::vector<std::byte>& out, T const& value, std::size_t size = sizeof(T))
{
    auto const* const from = reinterpret_cast<std::byte const*>(&value);
    out.insert(out.end(), from, from + size);
}

void add_number(std::vector<std::byte>& out, std::uint64_t value)
{
    add(out, static_cast<std::uint32_t>(value));
}

constexpr std::array supported{
    Oid::SupportedList,
    Oid::HardwareStatus,
    Oid::MediaSupported,
    Oid::MediaInUse,
    Oid::MaximumLookahead,
    Oid::MaximumFrameSize,
    Oid::LinkSpeed,
    Oid::TransmitBufferSpace,
    Oid::ReceiveBufferSpace,
    Oid::TransmitBlockSize,
    Oid::ReceiveBlockSize,
    Oid::VendorId,
    Oid::VendorDescription,
    Oid::CurrentPacketFilter,
    Oid::CurrentLookahead,
    Oid::DriverVersion,
    Oid::MaximumTotalSize,
    Oid::ProtocolOptions,
    Oid::MacOptions,
    Oid::MediaConnectStatus,
    Oid::MaximumSendPackets,
    Oid::VendorDriverVersion,
    Oid::NetworkLayerAddresses,
    Oid::RndisConfigParameter,
    Oid::TransmitOk,
    Oid::ReceiveOk,
    Oid::TransmitError,
    Oid::ReceiveError,
    Oid::ReceiveNoBuffer,
    Oid::FriendlyName,
    Oid::PermanentAddress,
    Oid::CurrentAddress,
    Oid::MulticastList,
    Oid::MaximumListSize,
    Oid::AlignmentErrors,
    Oid::OneCollision,
    Oid::MoreCollisions,
};
constexpr std::array supported_from_6{
    Oid::MaxLinkSpeed,         Oid::LinkState,         Oid::LinkParameters,
    Oid::BytesReceived,        Oid::BytesTransmitted,  Oid::OffloadEncapsulation,
    Oid::OffloadCurrentConfig, Oid::OffloadParameters, Oid::OffloadCapabilities,
};
constexpr std::array supported_from_6_30{Oid::ReceiveScaleCapabilities, Oid::ReceiveScaleParameters};

bool ndis_at_least(Settings const& settings, std::uint32_t major, std::uint32_t minor)
{
    return settings.ndis_major > major || (settings.ndis_major == major && settings.ndis_minor >= minor);
}

void add_supported(std::vector<std::byte>& out, Settings const& settings)
{
    add(out, supported);
    if (ndis_at_least(settings, 6, 0)) add(out, supported_from_6);
    if (ndis_at_least(settings, 6, 30)) add(out, supported_from_6_30);
}

/// Which of its offloads a card has, or has on at the moment.
struct OffloadsShown {
    bool send4;
    bool send6;
    bool receive;
    bool large4;
    bool large6;
    bool coalescing4;
    bool coalescing6;
};

void add_offloads(std::vector<std::byte>& out, OffloadsShown const& shown, Settings const& settings)
{
    constexpr auto all4 = ndis::checksum4::ip_options | ndis::checksum4::tcp_options | ndis::checksum4::tcp |
                          ndis::checksum4::udp | ndis::checksum4::ip;
    constexpr auto all6 = ndis::checksum6::extension_headers | ndis::checksum6::tcp_options | ndis::checksum6::tcp |
                          ndis::checksum6::udp;
    auto const encapsulation = [](bool on) { return on ? ndis::encapsulation_ethernet : 0; };

    ndis::Offload offload{};
    offload.checksum_v4 = {encapsulation(shown.send4), shown.send4 ? all4 : 0, encapsulation(shown.receive),
                           shown.receive ? all4 : 0};
    offload.checksum_v6 = {encapsulation(shown.send6), shown.send6 ? all6 : 0, encapsulation(shown.receive),
                           shown.receive ? all6 : 0};
    if (shown.large4) {
        offload.large_send.encapsulation4 = ndis::encapsulation_ethernet;
        offload.large_send.max_size4 = ndis::large_send_max;
        offload.large_send.min_segments4 = 2;
    }
    if (shown.large6) {
        offload.large_send.encapsulation6 = ndis::encapsulation_ethernet;
        offload.large_send.max_size6 = ndis::large_send_max;
        offload.large_send.min_segments6 = 2;
        offload.large_send.options6 = ndis::large_send6_options;
    }
    offload.receive_coalescing[0] = shown.coalescing4;
    offload.receive_coalescing[1] = shown.coalescing6;

    std::size_t size = offsetof(ndis::Offload, ipsec_v2);
    offload.header = {ndis::type_offload, 1, 0};
    if (ndis_at_least(settings, 6, 1)) {
        offload.header.revision = 2;
        size = offsetof(ndis::Offload, receive_coalescing);
    }
    if (ndis_at_least(settings, 6, 30)) {
        offload.header.revision = 3;
        size = sizeof offload;
    }
    offload.header.size = static_cast<std::uint16_t>(size);
    add(out, offload, size);
}

void add_capabilities(std::vector<std::byte>& out, Facts const& facts, Settings const& settings)
{
    auto const checksum = facts.backend.checksum;
    auto const large4 = checksum && facts.backend.large4;
    auto const large6 = checksum && facts.backend.large6;
    auto const coalescing = settings.coalescing_possible;
    add_offloads(out, {checksum, checksum, true, large4, large6, coalescing, coalescing}, settings);
}

void add_configuration(std::vector<std::byte>& out, Settings const& settings)
{
    add_offloads(out,
                 {settings.send_checksum4, settings.send_checksum6, settings.receive_checksum, settings.large_send4,
                  settings.large_send6, settings.coalescing4, settings.coalescing6},
                 settings);
}

void add_link_state(std::vector<std::byte>& out, bool up)
{
    constexpr std::uint32_t low = link_speed & 0xFFFF'FFFF;
    constexpr std::uint32_t high = link_speed >> 32;
    ndis::LinkState state{};
    state.header = {ndis::type_default, 1, sizeof state};
    state.connected = up ? 1 : 2;
    state.duplex = 2;
    std::ranges::copy(std::array{low, high, low, high}, state.speed);
    add(out, state);
}

void add_encapsulation(std::vector<std::byte>& out)
{
    constexpr std::uint32_t supported_here = 1;
    constexpr auto type = ndis::encapsulation_ethernet;
    ndis::OffloadEncapsulation const answer{{ndis::type_offload_encapsulation, 1, sizeof answer},
                                            supported_here,
                                            type,
                                            net::ethernet_header,
                                            supported_here,
                                            type,
                                            net::ethernet_header};
    add(out, answer);
}

void add_rss_capabilities(std::vector<std::byte>& out, Facts const& facts)
{
    ndis::RssCapabilities const answer{.header = {ndis::type_rss_capabilities, 2, ndis::rss_capabilities_size},
                                       .flags = ndis::rss_capability::toeplitz | ndis::rss_capability::tcp4 |
                                                ndis::rss_capability::tcp6,
                                       .interrupt_messages = 1,
                                       .receive_queues = facts.max_channels,
                                       .table_entries = ndis::rss_table_entries,
                                       .padding = 0};
    add(out, answer, ndis::rss_capabilities_size);
}

/// In UTF-16, with zeros up to 256 characters.
void add_name(std::vector<std::byte>& out, std::string_view name)
{
    std::array<char16_t, 256> text{};
    std::ranges::copy(name, text.begin());
    add(out, text);
}

} // namespace

rndis::Status query_oid(Oid oid, Facts const& facts, Settings const& settings, Readings const& readings,
                        std::vector<std::byte>& out)
{
    constexpr std::uint64_t buffer_space = 256 * 1024; // means nothing here; what Hyper-V says
    constexpr std::uint32_t microsoft = 0x0000'155D;   // the first bytes of its MAC addresses
    constexpr std::uint16_t version = 0x0100;
    constexpr std::uint32_t mac_options = 0x0001 | 0x0004 | 0x0008 | 0x0040 | 0x0200; // copies look-ahead data,
                                                                                      // transfers do not pend, no
                                                                                      // loopback, priorities, VLANs
    switch (oid) {
    case Oid::SupportedList: add_supported(out, settings); break;
    case Oid::HardwareStatus: add_number(out, 0); break; // ready
    case Oid::MediaSupported:
    case Oid::MediaInUse: add_number(out, rndis::medium_ethernet); break;
    case Oid::MaximumLookahead:
    case Oid::CurrentLookahead:
    case Oid::MaximumFrameSize: add_number(out, settings.max_frame - net::ethernet_header); break;
    case Oid::MaximumTotalSize:
    case Oid::TransmitBlockSize:
    case Oid::ReceiveBlockSize: add_number(out, settings.max_frame); break;
    case Oid::LinkSpeed: add_number(out, link_speed / 100); break;
    case Oid::TransmitBufferSpace:
    case Oid::ReceiveBufferSpace: add_number(out, buffer_space); break;
    case Oid::VendorId: add_number(out, microsoft); break;
    case Oid::VendorDescription: add(out, std::array{'P', 'o', 'r', 't', 'h', 'o', 'l', 'e', '\0'}); break;
    case Oid::DriverVersion:
    case Oid::VendorDriverVersion: add(out, version); break;
    case Oid::CurrentPacketFilter: add_number(out, settings.packet_filter); break;
    case Oid::ProtocolOptions: add_number(out, 0); break;
    case Oid::MacOptions: add_number(out, mac_options); break;
    case Oid::MediaConnectStatus: add_number(out, readings.link_up ? 0 : 1); break;
    case Oid::MaximumSendPackets: add_number(out, 0xFFFF'FFFF); break;
    case Oid::FriendlyName: add_name(out, "Network Adapter"); break;
    case Oid::PermanentAddress: add(out, facts.mac.bytes); break;
    case Oid::CurrentAddress: add(out, settings.mac.bytes); break;
    case Oid::MulticastList: break;
    case Oid::MaximumListSize:
    case Oid::AlignmentErrors:
    case Oid::OneCollision:
    case Oid::MoreCollisions:
    case Oid::ReceiveError: add_number(out, 0); break;
    case Oid::TransmitOk: add(out, readings.sent); break;
    case Oid::ReceiveOk: add(out, readings.received); break;
    case Oid::TransmitError: add(out, readings.send_errors); break;
    case Oid::ReceiveNoBuffer: add(out, readings.receive_dropped); break;
    case Oid::BytesTransmitted: add(out, readings.sent_bytes); break;
    case Oid::BytesReceived: add(out, readings.received_bytes); break;
    case Oid::MaxLinkSpeed: add(out, std::array{link_speed, link_speed}); break;
    case Oid::LinkState: add_link_state(out, readings.link_up); break;
    case Oid::OffloadCapabilities: add_capabilities(out, facts, settings); break;
    case Oid::OffloadCurrentConfig: add_configuration(out, settings); break;
    case Oid::OffloadEncapsulation: add_encapsulation(out); break;
    case Oid::ReceiveScaleCapabilities: add_rss_capabilities(out, facts); break;
    default: return rndis::Status::NotSupported;
    }
    return rndis::Status::Success;
}

} // namespace devices::network
