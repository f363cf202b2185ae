#include "devices/net/port_forward.hpp"

#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstring>
#include <stdexcept>
#include <string_view>

namespace devices::net {

namespace {

[[noreturn]] void refuse(std::string const& text)
{
    throw std::invalid_argument{"'" + text +
                                "' is no port forwarding: write e.g. tcp::2222-:22 or udp:127.0.0.1:5353-:53"};
}

std::uint16_t port_of(std::string_view text, std::string const& all)
{
    std::uint16_t port = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) refuse(all);
    return port;
}

template <typename Address>
Address address_of(int family, std::string const& text, std::string const& all)
{
    Address address{};
    if (!text.empty() && ::inet_pton(family, text.c_str(), &address) != 1) refuse(all);
    return address;
}

struct Side {
    IpAddress address;
    bool given; ///< not left out
    std::uint16_t port;
};

/// Of "ADDRESS:PORT", where an address of IPv6 is in brackets.
Side side_of(std::string_view side, std::string const& all)
{
    auto const colon = side.rfind(':');
    if (colon == std::string_view::npos) refuse(all);
    auto const address = side.substr(0, colon);
    auto const port = port_of(side.substr(colon + 1), all);
    if (address.starts_with('[') && address.ends_with(']') && address.size() > 2) {
        std::string const inner{address.substr(1, address.size() - 2)};
        return {address_of<in6_addr>(AF_INET6, inner, all), true, port};
    }
    std::string const text{address};
    in6_addr bare{};
    if (::inet_pton(AF_INET6, text.c_str(), &bare) == 1)
        throw std::invalid_argument{"'" + all + "' has an IPv6 address without brackets: write [" + text +
                                    "]:" + std::to_string(port)};
    return {address_of<in_addr>(AF_INET, text, all), !text.empty(), port};
}

std::string to_text(IpAddress const& address)
{
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (auto const* const v6 = std::get_if<in6_addr>(&address))
        return std::string{"["} + ::inet_ntop(AF_INET6, v6, text.data(), text.size()) + "]";
    auto const& v4 = std::get<in_addr>(address);
    if (v4.s_addr == 0) return {};
    return ::inet_ntop(AF_INET, &v4, text.data(), text.size());
}

} // namespace

PortForward parse_port_forward(std::string const& text)
{
    std::string_view const all{text};
    auto const colon = all.find(':');
    auto const dash = all.find('-');
    if (colon == std::string_view::npos || dash == std::string_view::npos || colon > dash) refuse(text);
    auto const protocol = all.substr(0, colon);
    if (protocol != "tcp" && protocol != "udp") refuse(text);

    auto const host = side_of(all.substr(colon + 1, dash - colon - 1), text);
    auto guest = side_of(all.substr(dash + 1), text);
    if (host.address.index() != guest.address.index()) {
        if (guest.given || std::holds_alternative<in_addr>(host.address))
            throw std::invalid_argument{"'" + text +
                                        "' goes from IPv4 to IPv6 or the reverse, which the network does "
                                        "not translate: give both addresses of one family ([::] is "
                                        "every IPv6 address of the host), or leave the guest's out"};
        guest.address = in6_addr{};
    }
    return {.udp = protocol == "udp",
            .host_address = host.address,
            .host_port = host.port,
            .guest_address = guest.address,
            .guest_port = guest.port};
}

std::string to_string(PortForward const& forward)
{
    auto const* const guest6 = std::get_if<in6_addr>(&forward.guest_address);
    auto const guest = guest6 && IN6_IS_ADDR_UNSPECIFIED(guest6) ? std::string{} : to_text(forward.guest_address);
    return std::string{forward.udp ? "udp" : "tcp"} + ":" + to_text(forward.host_address) + ":" +
           std::to_string(forward.host_port) + "-" + guest + ":" + std::to_string(forward.guest_port);
}

SocketAddress::SocketAddress(IpAddress const& address, std::uint16_t port)
{
    if (auto const* const v6 = std::get_if<in6_addr>(&address)) {
        sockaddr_in6 out{};
        out.sin6_family = AF_INET6;
        out.sin6_port = htons(port);
        out.sin6_addr = *v6;
        std::memcpy(&storage, &out, size = sizeof out);
    } else {
        sockaddr_in out{};
        out.sin_family = AF_INET;
        out.sin_port = htons(port);
        out.sin_addr = std::get<in_addr>(address);
        std::memcpy(&storage, &out, size = sizeof out);
    }
}

} // namespace devices::net
