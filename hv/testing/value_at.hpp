/// Numbers and structures in bytes that a test looks at.
#pragma once

#include "hv/testing/catch.hpp"

#include <cstddef>
#include <cstring>
#include <span>

namespace hv::testing {

/// As it lies there; the test ends when the bytes end before it does.
template <typename T>
[[nodiscard]] T value_at(std::span<std::byte const> bytes, std::size_t offset = 0)
{
    T value{};
    REQUIRE(offset + sizeof value <= bytes.size());
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

} // namespace hv::testing
