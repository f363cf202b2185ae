#include "devices/net/port_forward.hpp"

#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <stdexcept>

namespace devices::net {

namespace {

[[noreturn]] void refuse(std::string const& text)
{
    throw std::invalid_argument{"'" + text +
                                "' is no port forwarding: write e.g. tcp::2222-:22 or udp:127.0.0.1:5353-:53"};
}

in_addr address_of(std::string const& text, std::string const& all)
{
    in_addr address{};
    if (!text.empty() && ::inet_pton(AF_INET, text.c_str(), &address) != 1) refuse(all);
    return address;
}

std::uint16_t port_of(std::string const& text, std::string const& all)
{
    std::uint16_t port = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) refuse(all);
    return port;
}

std::string to_text(in_addr address)
{
    if (address.s_addr == 0) return {};
    std::array<char, INET_ADDRSTRLEN> text{};
    return ::inet_ntop(AF_INET, &address, text.data(), text.size());
}

} // namespace

PortForward parse_port_forward(std::string const& text)
{
    auto const first = text.find(':');
    auto const dash = text.find('-');
    if (first == std::string::npos || dash == std::string::npos) refuse(text);
    auto const second = text.find(':', first + 1);
    auto const third = text.find(':', dash + 1);
    if (second == std::string::npos || second > dash || third == std::string::npos) refuse(text);

    auto const protocol = text.substr(0, first);
    if (protocol != "tcp" && protocol != "udp") refuse(text);
    return {.udp = protocol == "udp",
            .host_address = address_of(text.substr(first + 1, second - first - 1), text),
            .host_port = port_of(text.substr(second + 1, dash - second - 1), text),
            .guest_address = address_of(text.substr(dash + 1, third - dash - 1), text),
            .guest_port = port_of(text.substr(third + 1), text)};
}

std::string to_string(PortForward const& forward)
{
    return std::string{forward.udp ? "udp" : "tcp"} + ":" + to_text(forward.host_address) + ":" +
           std::to_string(forward.host_port) + "-" + to_text(forward.guest_address) + ":" +
           std::to_string(forward.guest_port);
}

} // namespace devices::net
