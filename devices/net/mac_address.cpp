#include "devices/net/mac_address.hpp"

namespace devices::net {

namespace {

int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

} // namespace

std::optional<MacAddress> parse_mac_address(std::string_view text)
{
    constexpr std::size_t length = 17;
    if (text.size() != length) return std::nullopt;
    MacAddress mac;
    for (std::size_t i = 0; i < mac.bytes.size(); ++i) {
        auto const high = hex_digit(text[3 * i]);
        auto const low = hex_digit(text[3 * i + 1]);
        if (high < 0 || low < 0 || (i > 0 && text[3 * i - 1] != ':')) return std::nullopt;
        mac.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return mac;
}

std::string to_string(MacAddress const& mac)
{
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (auto const byte : mac.bytes) {
        if (!text.empty()) text.push_back(':');
        text.push_back(digits[byte >> 4]);
        text.push_back(digits[byte & 0xF]);
    }
    return text;
}

MacAddress derive_mac_address(std::string_view text)
{
    std::uint64_t hash = 0xcbf2'9ce4'8422'2325; // FNV-1a
    for (char const c : text)
        hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100'0000'01b3;
    hash ^= hash >> 32; // its low bits are poor
    hash *= 0xd6e8'feb8'6659'fd93;
    hash ^= hash >> 32;

    MacAddress mac;
    for (auto& byte : mac.bytes) {
        byte = static_cast<std::uint8_t>(hash);
        hash >>= 8;
    }
    mac.bytes[0] = static_cast<std::uint8_t>((mac.bytes[0] & 0xFC) | 0x02); // locally administered, unicast
    return mac;
}

} // namespace devices::net
