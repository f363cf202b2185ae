/// Big-endian numbers: those of SCSI.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace devices {

/// The number in all bytes of `from`, eight at most.
[[nodiscard]] inline std::uint64_t big_endian(std::span<std::uint8_t const> from)
{
    std::uint64_t number = 0;
    for (auto const byte : from)
        number = number << 8 | byte;
    return number;
}

/// Fills all bytes of `to` with the low ones of `number`.
inline void put_big_endian(std::span<std::uint8_t> to, std::uint64_t number)
{
    for (auto i = to.size(); i > 0; --i, number >>= 8)
        to[i - 1] = static_cast<std::uint8_t>(number);
}

} // namespace devices
