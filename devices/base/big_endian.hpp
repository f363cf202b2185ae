/// Big-endian numbers: those of SCSI, of a TPM, of fw_cfg.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

namespace devices {

template <typename T>
concept Byte = std::same_as<T, std::byte> || std::same_as<T, std::uint8_t>;

/// The number in all bytes of `from`, eight at most.
template <Byte T, std::size_t size>
[[nodiscard]] constexpr std::uint64_t big_endian(std::span<T const, size> from)
{
    std::uint64_t number = 0;
    for (auto const byte : from)
        number = number << 8 | static_cast<std::uint8_t>(byte);
    return number;
}
template <Byte T, std::size_t size>
[[nodiscard]] constexpr std::uint64_t big_endian(std::span<T, size> from)
{
    return big_endian(std::span<T const, size>{from});
}

/// Fills all bytes of `to` with the low ones of `number`.
template <Byte T, std::size_t size>
constexpr void put_big_endian(std::span<T, size> to, std::uint64_t number)
{
    for (auto i = to.size(); i > 0; --i, number >>= 8)
        to[i - 1] = static_cast<T>(number & 0xFF);
}

} // namespace devices
