/// What the first bytes of an Ethernet frame say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace devices::net {

inline constexpr std::size_t ethernet_header = 14;
inline constexpr std::size_t vlan_tag = 4;
inline constexpr std::uint16_t ethertype_vlan = 0x8100;
inline constexpr std::size_t longest_headers = 128; ///< that parse_headers looks at

enum class Network : std::uint8_t { Other, Ipv4, Ipv6 };

inline constexpr std::uint8_t protocol_tcp = 6;
inline constexpr std::uint8_t protocol_udp = 17;

struct FrameHeaders {
    bool tagged = false;   ///< by IEEE 802.1Q
    std::uint16_t tag = 0; ///< priority, CFI and VLAN, as a number
    Network network = Network::Other;
    std::uint8_t protocol = 0; ///< behind IP; 0 also for fragments
    std::uint16_t network_offset = 0;
    std::uint16_t transport_offset = 0; ///< 0 unless there is a TCP or UDP header with its ports
};

/// `start` is the frame, or as much of it as `longest_headers`.
[[nodiscard]] FrameHeaders parse_headers(std::span<std::byte const> start);

[[nodiscard]] inline std::uint16_t big_endian16(std::byte const* p)
{
    return static_cast<std::uint16_t>(std::to_integer<unsigned>(p[0]) << 8 | std::to_integer<unsigned>(p[1]));
}

} // namespace devices::net
