#include "devices/net/frame_headers.hpp"

namespace devices::net {

namespace {

constexpr std::uint16_t ethertype_ipv4 = 0x0800;
constexpr std::uint16_t ethertype_ipv6 = 0x86DD;
constexpr std::size_t ipv4_header = 20;
constexpr std::size_t ipv6_header = 40;

void find_transport(FrameHeaders& headers, std::span<std::byte const> start, std::size_t offset)
{
    constexpr std::size_t udp_header = 8;
    constexpr std::size_t tcp_header = 20;
    auto const size = headers.protocol == protocol_tcp ? tcp_header : udp_header;
    if (headers.protocol != protocol_tcp && headers.protocol != protocol_udp) return;
    if (offset + size <= start.size()) headers.transport_offset = static_cast<std::uint16_t>(offset);
}

void parse_ipv4(FrameHeaders& headers, std::span<std::byte const> start, std::size_t at)
{
    constexpr unsigned fragment_bits = 0x3FFF; // more fragments, and the offset
    if (start.size() < at + ipv4_header) return;
    auto const version_and_length = std::to_integer<unsigned>(start[at]);
    auto const length = (version_and_length & 0xF) * 4;
    if (version_and_length >> 4 != 4 || length < ipv4_header) return;
    headers.network = Network::Ipv4;
    if ((big_endian16(&start[at + 6]) & fragment_bits) != 0) return;
    headers.protocol = std::to_integer<std::uint8_t>(start[at + 9]);
    find_transport(headers, start, at + length);
}

void parse_ipv6(FrameHeaders& headers, std::span<std::byte const> start, std::size_t at)
{
    if (start.size() < at + ipv6_header || std::to_integer<unsigned>(start[at]) >> 4 != 6) return;
    headers.network = Network::Ipv6;
    headers.protocol = std::to_integer<std::uint8_t>(start[at + 6]); // extension headers are not looked through
    find_transport(headers, start, at + ipv6_header);
}

} // namespace

FrameHeaders parse_headers(std::span<std::byte const> start)
{
    constexpr std::size_t type_at = 12;
    FrameHeaders headers;
    if (start.size() < ethernet_header) return headers;
    std::size_t at = ethernet_header;
    auto type = big_endian16(&start[type_at]);
    if (type == ethertype_vlan && start.size() >= at + vlan_tag) {
        headers.tagged = true;
        headers.tag = big_endian16(&start[at]);
        type = big_endian16(&start[at + 2]);
        at += vlan_tag;
    }
    headers.network_offset = static_cast<std::uint16_t>(at);
    if (type == ethertype_ipv4) parse_ipv4(headers, start, at);
    if (type == ethertype_ipv6) parse_ipv6(headers, start, at);
    return headers;
}

} // namespace devices::net
