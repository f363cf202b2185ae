#include "devices/net/urgent_data.hpp"

#include "devices/net/frame_headers.hpp"

#include <algorithm>

namespace devices::net {

namespace {

constexpr std::size_t flags_at = 12; // with the data's offset, as a 16-bit word
constexpr std::size_t checksum_at = 16;
constexpr unsigned urg = 0x20;

void put_big_endian16(std::byte* p, unsigned value)
{
    p[0] = static_cast<std::byte>(value >> 8);
    p[1] = static_cast<std::byte>(value);
}

} // namespace

void clear_urgent(std::span<std::byte> frame)
{
    auto const headers = parse_headers(frame.first(std::min(frame.size(), longest_headers)));
    if (headers.protocol != protocol_tcp || headers.transport_offset == 0) return;
    auto* const tcp = &frame[headers.transport_offset];
    unsigned const flags = big_endian16(tcp + flags_at);
    if ((flags & urg) == 0) return;
    put_big_endian16(tcp + flags_at, flags & ~urg);

    // RFC 1624, equation 3, for a word that has become less by `urg`.
    auto sum = (~unsigned{big_endian16(tcp + checksum_at)} & 0xFFFF) + (~urg & 0xFFFF);
    sum = (sum & 0xFFFF) + (sum >> 16);
    put_big_endian16(tcp + checksum_at, ~sum & 0xFFFF);
}

} // namespace devices::net
