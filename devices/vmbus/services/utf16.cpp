#include "devices/vmbus/services/utf16.hpp"

#include <cstdint>

namespace devices::vmbus {

namespace {

constexpr char32_t replacement = 0xFFFD;

bool is_high_surrogate(char32_t c)
{
    return c >= 0xD800 && c < 0xDC00;
}

bool is_low_surrogate(char32_t c)
{
    return c >= 0xDC00 && c < 0xE000;
}

void append_utf8(std::string& out, char32_t c)
{
    auto const byte = [&](char32_t value) { out.push_back(static_cast<char>(value)); };
    if (c < 0x80) {
        byte(c);
    } else if (c < 0x800) {
        byte(0xC0 | c >> 6);
        byte(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        byte(0xE0 | c >> 12);
        byte(0x80 | (c >> 6 & 0x3F));
        byte(0x80 | (c & 0x3F));
    } else {
        byte(0xF0 | c >> 18);
        byte(0x80 | (c >> 12 & 0x3F));
        byte(0x80 | (c >> 6 & 0x3F));
        byte(0x80 | (c & 0x3F));
    }
}

/// Takes one character off the front; of what is none, one byte.
char32_t take_utf8(std::string_view& text)
{
    auto const at = [&](std::size_t i) { return char32_t{static_cast<unsigned char>(text[i])}; };
    auto const first = at(0);
    std::size_t length = 1;
    char32_t c = first;
    char32_t smallest = 0;
    if (first >= 0xF0 && first < 0xF8) {
        length = 4;
        c = first & 0x07;
        smallest = 0x10000;
    } else if (first >= 0xE0 && first < 0xF0) {
        length = 3;
        c = first & 0x0F;
        smallest = 0x800;
    } else if (first >= 0xC0 && first < 0xE0) {
        length = 2;
        c = first & 0x1F;
        smallest = 0x80;
    } else if (first >= 0x80) {
        c = replacement;
    }
    for (std::size_t i = 1; i < length; ++i) {
        if (i == text.size() || (at(i) & 0xC0) != 0x80) {
            text.remove_prefix(1);
            return replacement;
        }
        c = c << 6 | (at(i) & 0x3F);
    }
    text.remove_prefix(length);
    auto const surrogate = is_high_surrogate(c) || is_low_surrogate(c);
    return c < smallest || c > 0x10FFFF || surrogate ? replacement : c;
}

} // namespace

std::string from_utf16(std::span<std::byte const> bytes)
{
    auto const unit = [&](std::size_t i) {
        return std::to_integer<char32_t>(bytes[2 * i]) | std::to_integer<char32_t>(bytes[2 * i + 1]) << 8;
    };
    std::string out;
    auto const units = bytes.size() / 2;
    for (std::size_t i = 0; i < units; ++i) {
        auto c = unit(i);
        if (c == 0) break;
        if (is_high_surrogate(c) && i + 1 < units && is_low_surrogate(unit(i + 1)))
            c = 0x10000 + ((c - 0xD800) << 10) + (unit(++i) - 0xDC00);
        else if (is_high_surrogate(c) || is_low_surrogate(c))
            c = replacement;
        append_utf8(out, c);
    }
    return out;
}

std::u16string to_utf16(std::string_view text)
{
    std::u16string out;
    while (!text.empty()) {
        auto const c = take_utf8(text);
        if (c < 0x10000) {
            out.push_back(static_cast<char16_t>(c));
        } else {
            out.push_back(static_cast<char16_t>(0xD800 + ((c - 0x10000) >> 10)));
            out.push_back(static_cast<char16_t>(0xDC00 + ((c - 0x10000) & 0x3FF)));
        }
    }
    return out;
}

} // namespace devices::vmbus
