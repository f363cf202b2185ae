/// A port of the host that leads to one of a guest behind the user-mode network.
#pragma once

#include <cstdint>
#include <netinet/in.h>
#include <string>

namespace devices::net {

struct PortForward {
    bool udp = false;
    in_addr host_address{}; ///< 0.0.0.0 for all of the host's
    std::uint16_t host_port = 0;
    in_addr guest_address{}; ///< 0.0.0.0 for the one that the guest has got by DHCP first
    std::uint16_t guest_port = 0;
};

/// "tcp::2222-:22", "udp:127.0.0.1:5353-10.0.2.15:53". Throws std::invalid_argument with a text that says what is
/// wrong.
[[nodiscard]] PortForward parse_port_forward(std::string const& text);
[[nodiscard]] std::string to_string(PortForward const& forward);

} // namespace devices::net
