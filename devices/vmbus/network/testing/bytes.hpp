/// Messages as the bytes that they are.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace devices::network::testing {

using Bytes = std::vector<std::byte>;

/// Pairs of hexadecimal digits, with spaces between them where a test likes.
inline Bytes hex(std::string_view text)
{
    Bytes out;
    for (std::size_t i = 0; i + 1 < text.size();) {
        if (text[i] == ' ') {
            ++i;
            continue;
        }
        out.push_back(static_cast<std::byte>(std::stoi(std::string{text.substr(i, 2)}, nullptr, 16)));
        i += 2;
    }
    return out;
}

template <typename... Parts>
Bytes bytes_of(Parts const&... parts)
{
    Bytes out;
    auto const add = [&](auto const& part) {
        auto const* const from = reinterpret_cast<std::byte const*>(&part);
        out.insert(out.end(), from, from + sizeof part);
    };
    (add(parts), ...);
    return out;
}

template <typename T>
T read_from(std::span<std::byte const> bytes, std::size_t offset = 0)
{
    T out{};
    if (offset < bytes.size()) std::memcpy(&out, bytes.data() + offset, std::min(sizeof out, bytes.size() - offset));
    return out;
}

inline Bytes operator+(Bytes a, Bytes const& b)
{
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

} // namespace devices::network::testing
