/// Field access for the one-word registers of the ABI.
#pragma once

#include <cstdint>

namespace hv::abi {

template <unsigned Low, unsigned Width = 1>
[[nodiscard]] constexpr std::uint64_t field(std::uint64_t word)
{
    static_assert(Low + Width <= 64 && Width < 64);
    return (word >> Low) & ((std::uint64_t{1} << Width) - 1);
}

[[nodiscard]] constexpr bool bit(std::uint64_t word, unsigned n)
{
    return ((word >> n) & 1) != 0;
}

} // namespace hv::abi
