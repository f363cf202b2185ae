#include "vmm/control/base64.hpp"

#include <algorithm>
#include <cstdint>

namespace vmm::control {

namespace {

constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr char padding = '=';

} // namespace

std::string base64(std::span<std::byte const> bytes)
{
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (; !bytes.empty(); bytes = bytes.subspan(std::min<std::size_t>(3, bytes.size()))) {
        std::uint32_t group = 0;
        for (std::size_t i = 0; i < 3; ++i)
            group = group << 8 | (i < bytes.size() ? std::to_integer<std::uint32_t>(bytes[i]) : 0);
        for (std::size_t i = 0; i < 4; ++i)
            text += i <= bytes.size() ? digits[group >> (18 - 6 * i) & 63] : padding;
    }
    return text;
}

std::optional<std::vector<std::byte>> from_base64(std::string_view text)
{
    if (text.size() % 4 != 0) return std::nullopt;
    std::vector<std::byte> bytes;
    bytes.reserve(text.size() / 4 * 3);
    auto const end = text.ends_with("==") ? text.size() - 2 : text.ends_with('=') ? text.size() - 1 : text.size();
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < end; ++i) {
        auto const value = digits.find(text[i]);
        if (value == std::string_view::npos) return std::nullopt;
        group = group << 6 | static_cast<std::uint32_t>(value);
        if (i % 4 != 0) bytes.push_back(static_cast<std::byte>(group >> (6 - 2 * (i % 4)) & 0xFF));
    }
    return bytes;
}

} // namespace vmm::control
