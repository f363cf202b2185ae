#include "devices/vmbus/network/transmit.hpp"

#include "devices/net/checksum.hpp"
#include "devices/net/frame_headers.hpp"

#include <algorithm>
#include <cstring>

namespace devices::network {

namespace {

constexpr std::size_t ipv4_header = 20;
constexpr std::size_t ipv6_header = 40;
constexpr std::size_t tcp_header = 20;
constexpr std::uint16_t tcp_checksum_offset = 16;
constexpr std::uint16_t udp_checksum_offset = 6;
constexpr std::uint32_t offset_mask = 0x3FF; // ten bits, in both infos

void put_big_endian16(std::byte* at, std::size_t value)
{
    at[0] = static_cast<std::byte>(value >> 8);
    at[1] = static_cast<std::byte>(value);
}

void put_sum(std::byte* at, std::uint16_t sum)
{
    std::memcpy(at, &sum, sizeof sum);
}

/// Where IP starts in a frame that begins with these bytes: behind a VLAN tag that the guest has put there itself.
std::size_t network_offset(std::span<std::byte const> start)
{
    constexpr std::size_t type_at = 12;
    auto const tagged = net::big_endian16(&start[type_at]) == net::ethertype_vlan;
    return net::ethernet_header + (tagged ? net::vlan_tag : 0);
}

/// Makes the headers of a large frame what they would be if a frame of that size were possible, as whoever cuts it
/// expects: guests leave the lengths out (Windows' and Linux's large-send offload, version 2).
bool complete_large_headers(std::span<std::byte> headers, std::size_t tcp_at, std::size_t frame_size, bool ipv6)
{
    auto const ip_at = network_offset(headers);
    if (tcp_at < ip_at + (ipv6 ? ipv6_header : ipv4_header)) return false;
    auto* const ip = &headers[ip_at];
    auto const ip_size = frame_size - ip_at;
    auto const tcp_size = frame_size - tcp_at;
    if (ip_size > 0xFFFF) return false;

    std::array<std::byte, 4> const protocol_and_size{std::byte{0}, std::byte{net::protocol_tcp},
                                                     static_cast<std::byte>(tcp_size >> 8),
                                                     static_cast<std::byte>(tcp_size)};
    net::ChecksumSum pseudo;
    pseudo.add(protocol_and_size);
    if (ipv6) {
        put_big_endian16(ip + 4, ip_size - ipv6_header);
        pseudo.add({ip + 8, 32});
    } else {
        put_big_endian16(ip + 2, ip_size);
        put_sum(ip + 10, net::ipv4_header_checksum({ip, tcp_at - ip_at}));
        pseudo.add({ip + 12, 8});
    }
    put_sum(&headers[tcp_at + tcp_checksum_offset], pseudo.folded());
    return true;
}

} // namespace

nvsp::Status Transmitter::send(GuestPieces const& message, bool link_up)
{
    auto status = nvsp::Status::Success;
    for (std::size_t at = 0; message.size() - at >= sizeof(rndis::Header) + sizeof(rndis::Packet);) {
        struct {
            rndis::Header header;
            rndis::Packet packet;
        } start;
        message.read(at, &start, sizeof start);
        auto const length = start.header.length;
        if (start.header.type != rndis::Type::Packet || length < sizeof start || length > message.size() - at) {
            traffic_.malformed.add();
            return nvsp::Status::InvalidRndisPacket;
        }
        if (!send_packet(message, {at + sizeof start.header, length - sizeof start.header, start.packet}, link_up)) {
            traffic_.malformed.add();
            status = nvsp::Status::InvalidRndisPacket;
        }
        at += length;
    }
    return status;
}

bool Transmitter::send_packet(GuestPieces const& message, Message const& at, bool link_up)
{
    auto const& packet = at.packet;
    if (packet.data_offset > at.body_size || packet.data_length > at.body_size - packet.data_offset) return false;
    if (packet.data_length < net::ethernet_header || packet.data_length > net::largest_frame) return false;

    pieces_.clear();
    headers_.clear();
    net::Offload offload;
    if (packet.info_length == 0) {
        message.locate(at.body + packet.data_offset, packet.data_length, pieces_);
    } else {
        Infos infos;
        if (!read_infos(message, at, infos) || !prepare(message, at, infos, offload)) return false;
    }
    if (!link_up || !backend_.send_on(channel_, offload, pieces_)) {
        traffic_.dropped.add();
        return true;
    }
    traffic_.frames.add();
    traffic_.bytes.add(packet.data_length);
    return true;
}

bool Transmitter::read_infos(GuestPieces const& message, Message const& at, Infos& infos)
{
    constexpr std::size_t longest = 512; // all that NDIS knows fit several times
    auto const& packet = at.packet;
    if (packet.info_offset > at.body_size || packet.info_length > at.body_size - packet.info_offset ||
        packet.info_length > longest)
        return false;
    std::array<std::byte, longest> bytes;
    message.read(at.body + packet.info_offset, bytes.data(), packet.info_length);

    std::span<std::byte const> left{bytes.data(), packet.info_length};
    while (left.size() >= sizeof(rndis::PacketInfo)) {
        rndis::PacketInfo info;
        std::memcpy(&info, left.data(), sizeof info);
        if (info.size < sizeof info || info.size > left.size() || info.offset > info.size) return false;
        std::uint32_t value = 0;
        if (info.size - info.offset >= sizeof value) std::memcpy(&value, &left[info.offset], sizeof value);
        switch (info.type) {
        case rndis::info_checksum: infos.checksum = value; break;
        case rndis::info_large_send: infos.large_send = value; break;
        case rndis::info_vlan:
            infos.vlan = value;
            infos.tagged = true;
            break;
        default: break; // a hash, or what Windows adds for others
        }
        left = left.subspan(info.size);
    }
    return true;
}

bool Transmitter::prepare(GuestPieces const& message, Message const& at, Infos const& infos, net::Offload& offload)
{
    std::size_t const size = at.packet.data_length;
    auto const large = (infos.large_send & rndis::large_send::segment_mask) != 0;
    auto const wants_ip = (infos.checksum & rndis::send_checksum::ip_header) != 0;

    std::size_t copied = 0;
    if (large) {
        auto const tcp_at = infos.large_send >> rndis::large_send::header_shift & offset_mask;
        constexpr std::size_t longest_tcp_header = 60;
        copied = std::min(size, tcp_at + longest_tcp_header);
    } else if (wants_ip) {
        constexpr std::size_t longest_ip_header = 60;
        copied = std::min(size, net::ethernet_header + net::vlan_tag + longest_ip_header);
    } else if (infos.tagged) {
        copied = net::ethernet_header;
    }
    if (copied > 0) {
        headers_.reserve(copied + net::vlan_tag); // pieces_ points to them
        headers_.resize(copied);
        message.read(at.body + at.packet.data_offset, headers_.data(), copied);
        pieces_.push_back({headers_.data(), headers_.size()});
    }
    message.locate(at.body + at.packet.data_offset + copied, size - copied, pieces_);

    if (large) {
        if (!prepare_large_send(infos, size, offload)) return false;
    } else if (!prepare_checksum(infos, size, offload) || (wants_ip && !fill_in_ip_checksum())) {
        return false;
    }
    if (infos.tagged) insert_tag(infos.vlan, offload);
    return true;
}

bool Transmitter::prepare_large_send(Infos const& infos, std::size_t frame_size, net::Offload& offload)
{
    auto const offered = backend_.send_offloads();
    auto const ipv6 = (infos.large_send & rndis::large_send::ipv6) != 0;
    if (!(ipv6 ? offered.large6 : offered.large4)) return false;
    std::size_t const tcp_at = infos.large_send >> rndis::large_send::header_shift & offset_mask;
    auto const segment = infos.large_send & rndis::large_send::segment_mask;
    if (segment > 0xFFFF || headers_.size() < tcp_at + tcp_header) return false;
    auto const data_at = tcp_at + (std::to_integer<std::size_t>(headers_[tcp_at + 12]) >> 4) * 4;
    if (data_at < tcp_at + tcp_header || data_at > headers_.size()) return false;
    if (!complete_large_headers(headers_, tcp_at, frame_size, ipv6)) return false;

    constexpr std::uint8_t ecn = 0x80;
    auto const cwr = (headers_[tcp_at + 13] & std::byte{0x80}) != std::byte{0};
    auto const kind = ipv6 ? net::Segmentation::Tcp6 : net::Segmentation::Tcp4;
    offload = {.flags = net::Offload::needs_checksum,
               .segmentation = static_cast<std::uint8_t>(static_cast<unsigned>(kind) | (cwr ? ecn : 0U)),
               .header_size = static_cast<std::uint16_t>(data_at),
               .segment_size = static_cast<std::uint16_t>(segment),
               .checksum_start = static_cast<std::uint16_t>(tcp_at),
               .checksum_offset = tcp_checksum_offset};
    return true;
}

bool Transmitter::prepare_checksum(Infos const& infos, std::size_t frame_size, net::Offload& offload) const
{
    auto const tcp = (infos.checksum & rndis::send_checksum::tcp) != 0;
    auto const udp = (infos.checksum & rndis::send_checksum::udp) != 0;
    if (!tcp && !udp) return true;
    if (!backend_.send_offloads().checksum) return false;
    auto const start = infos.checksum >> rndis::send_checksum::header_shift & offset_mask;
    auto const field = tcp ? tcp_checksum_offset : udp_checksum_offset;
    if (start < net::ethernet_header + ipv4_header || start + field + 2U > frame_size) return false;
    offload = {.flags = net::Offload::needs_checksum,
               .checksum_start = static_cast<std::uint16_t>(start),
               .checksum_offset = field};
    return true;
}

bool Transmitter::fill_in_ip_checksum()
{
    auto const ip_at = network_offset(headers_);
    if (headers_.size() < ip_at + ipv4_header) return false;
    auto const length = std::to_integer<std::size_t>(headers_[ip_at] & std::byte{0xF}) * 4;
    if (length < ipv4_header || headers_.size() < ip_at + length) return false;
    put_sum(&headers_[ip_at + 10], net::ipv4_header_checksum({&headers_[ip_at], length}));
    return true;
}

/// The info has the priority lowest, then CFI, then the VLAN; the tag has them the other way round.
void Transmitter::insert_tag(std::uint32_t vlan, net::Offload& offload)
{
    constexpr std::size_t addresses = 12;
    auto const tag = (vlan & 0x7) << 13 | (vlan >> 3 & 0x1) << 12 | (vlan >> 4 & 0xFFF);
    std::array<std::byte, net::vlan_tag> bytes;
    put_big_endian16(bytes.data(), net::ethertype_vlan);
    put_big_endian16(bytes.data() + 2, tag);
    headers_.insert(headers_.begin() + addresses, bytes.begin(), bytes.end());
    pieces_[0] = {headers_.data(), headers_.size()};
    if (offload.flags & net::Offload::needs_checksum) offload.checksum_start += net::vlan_tag;
    if (offload.segmented()) offload.header_size += net::vlan_tag;
}

} // namespace devices::network
