/// A port of the host that leads to one of a guest behind the user-mode network.
#pragma once

#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <variant>

namespace devices::net {

using IpAddress = std::variant<in_addr, in6_addr>;

/// Both addresses are of one family: the network does not translate between them.
struct PortForward {
    bool udp = false;
    IpAddress host_address{}; ///< 0.0.0.0 for all IPv4 addresses of the host, :: for all its IPv6 addresses
    std::uint16_t host_port = 0;
    IpAddress guest_address{}; ///< 0.0.0.0 for the one that the guest has got by DHCP first, :: for its first of IPv6
    std::uint16_t guest_port = 0;
};

/// "tcp::2222-:22", "udp:127.0.0.1:5353-10.0.2.15:53", "tcp:[::1]:2222-:22". Throws std::invalid_argument with a text
/// that says what is wrong.
[[nodiscard]] PortForward parse_port_forward(std::string const& text);
[[nodiscard]] std::string to_string(PortForward const& forward);

/// As the system's calls take it.
struct SocketAddress {
    SocketAddress(IpAddress const& address, std::uint16_t port);
    [[nodiscard]] sockaddr const* get() const { return reinterpret_cast<sockaddr const*>(&storage); }

    sockaddr_storage storage{};
    socklen_t size = 0;
};

} // namespace devices::net
