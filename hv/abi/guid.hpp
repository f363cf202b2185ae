/// A GUID as it lies in memory: the first three fields little-endian. VMBus names interfaces and instances by it.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hv::vmbus {

struct Guid {
    std::array<std::uint8_t, 16> bytes{};

    friend constexpr auto operator<=>(Guid const&, Guid const&) = default;
};

namespace detail {

consteval std::uint8_t hex_digit(char c)
{
    if (c >= '0' && c <= '9') return static_cast<std::uint8_t>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<std::uint8_t>(c - 'a' + 10);
    throw "a GUID's digits are 0 to 9 and a to f";
}

/// Where each byte of the text lands in memory.
inline constexpr std::array<std::uint8_t, 16> guid_order{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};

} // namespace detail

/// "f8615163-df3e-46c5-913f-f2d2f965ed0e", in small letters.
consteval Guid guid(std::string_view text)
{
    if (text.size() != 36) throw "a GUID has 36 characters";
    Guid out;
    std::size_t at = 0;
    for (std::size_t i = 0; i < 36; i += 2) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-') throw "a GUID has hyphens between its fields";
            ++i;
        }
        out.bytes[detail::guid_order[at++]] =
            static_cast<std::uint8_t>(detail::hex_digit(text[i]) << 4 | detail::hex_digit(text[i + 1]));
    }
    return out;
}

[[nodiscard]] std::string to_string(Guid const& guid);

} // namespace hv::vmbus
