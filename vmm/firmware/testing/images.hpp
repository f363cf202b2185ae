/// Firmware images for tests: nothing in them but what is looked at.
#pragma once

#include "devices/firmware/flash.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace vmm::firmware::testing {

inline constexpr std::size_t variables_size = 8 * devices::firmware::flash_block;
inline constexpr std::size_t volume_header = 0x48;

template <typename Number>
void put(std::string& image, std::size_t at, Number value)
{
    std::memcpy(image.data() + at, &value, sizeof value);
}

/// With the header of a volume that takes all of it.
inline std::string volume(std::size_t size, std::array<std::uint8_t, 16> const& file_system)
{
    std::string image(size, '\xFF');
    std::memset(image.data(), 0, volume_header);
    std::memcpy(image.data() + 16, file_system.data(), file_system.size());
    put(image, 32, std::uint64_t{size});
    std::memcpy(image.data() + 40, "_FVH", 4);
    put(image, 48, static_cast<std::uint16_t>(volume_header));
    std::uint16_t sum = 0;
    for (std::size_t at = 0; at < volume_header; at += 2)
        sum = static_cast<std::uint16_t>(sum + static_cast<std::uint8_t>(image[at]) +
                                         (static_cast<std::uint8_t>(image[at + 1]) << 8));
    put(image, 50, static_cast<std::uint16_t>(-sum));
    return image;
}

inline std::string code(std::size_t size = 4 * 4096)
{
    auto image = volume(size, {0x78, 0xE5, 0x8C, 0x8C}); // a file system with drivers in it
    image.back() = '\xEA';
    return image;
}

/// A template of variables: formatted, and none in it.
inline std::string variables(std::size_t size = variables_size)
{
    auto image = volume(
        size, {0x8D, 0x2B, 0xF1, 0xFF, 0x96, 0x76, 0x8B, 0x4C, 0xA9, 0x85, 0x27, 0x47, 0x07, 0x5B, 0x4F, 0x50});
    std::memset(image.data() + volume_header, 0x11, 16);                  // the format's GUID
    put(image, volume_header + 16, static_cast<std::uint32_t>(size / 2)); // the store's size
    image[volume_header + 20] = '\x5A';
    image[volume_header + 21] = '\xFE';
    return image;
}

inline std::vector<std::byte> bytes(std::string const& text)
{
    std::vector<std::byte> out(text.size());
    std::memcpy(out.data(), text.data(), text.size());
    return out;
}

} // namespace vmm::firmware::testing
