#include "devices/vmbus/network/rss.hpp"

#include <cstring>

namespace devices::network {

std::optional<std::uint32_t> Rss::hash(std::span<std::byte const> start, net::FrameHeaders const& headers) const
{
    if (headers.network == net::Network::Other) return std::nullopt;
    auto const v4 = headers.network == net::Network::Ipv4;
    std::size_t const addresses_at = headers.network_offset + (v4 ? 12U : 8U);
    std::size_t const addresses = v4 ? 8 : 32;
    auto const with_ports = headers.protocol == net::protocol_tcp && headers.transport_offset != 0 &&
                            (parameters_.hashed & (v4 ? ndis::rss_hash::tcp4 : ndis::rss_hash::tcp6)) != 0;
    if (!with_ports && (parameters_.hashed & (v4 ? ndis::rss_hash::ipv4 : ndis::rss_hash::ipv6)) == 0)
        return std::nullopt;

    constexpr std::size_t ports = 4;
    std::array<std::byte, Toeplitz::longest_input> input;
    std::memcpy(input.data(), &start[addresses_at], addresses);
    if (with_ports) std::memcpy(input.data() + addresses, &start[headers.transport_offset], ports);
    return toeplitz_.hash({input.data(), addresses + (with_ports ? ports : 0)});
}

} // namespace devices::network
