/// An Ethernet address.
#pragma once

#include "hv/base/state.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace devices::net {

struct MacAddress {
    std::array<std::uint8_t, 6> bytes{};

    [[nodiscard]] bool multicast() const { return (bytes[0] & 1) != 0; }

    friend bool operator==(MacAddress const&, MacAddress const&) = default;

    static constexpr auto fields() { return std::tuple{hv::StateField{"bytes", &MacAddress::bytes}}; }
};

/// "52:54:00:12:34:56", in small or capital letters.
[[nodiscard]] std::optional<MacAddress> parse_mac_address(std::string_view text);
[[nodiscard]] std::string to_string(MacAddress const& mac);

/// A locally administered unicast address that is always the same for the same text, and another for another one but
/// by a chance of one in 2^46.
[[nodiscard]] MacAddress derive_mac_address(std::string_view text);

} // namespace devices::net
