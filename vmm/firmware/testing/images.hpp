/// Firmware images for tests: nothing in them but what is looked at.
#pragma once

#include "devices/firmware/flash.hpp"
#include "hv/abi/guid.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
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

/// A template of authenticated variables likewise, and where its first one goes.
inline constexpr std::size_t first_variable = volume_header + 28;
inline constexpr auto platform_key = hv::vmbus::guid("8be4df61-93ca-11d2-aa0d-00e098032b8c");
inline constexpr auto enable_switch = hv::vmbus::guid("f0a30bc7-af08-4556-99c4-001009c93a44");

/// Puts a variable there, as edk2's driver does (MdeModulePkg/Include/Guid/VariableFormat.h), and marks the store as
/// one of authenticated variables. Returns where the next one goes.
inline std::size_t put_variable(std::string& image, std::size_t at, hv::vmbus::Guid const& vendor,
                                std::u16string const& name, std::string const& data, std::uint8_t state = 0x3F)
{
    constexpr auto authenticated = hv::vmbus::guid("aaf32c78-947b-439a-a180-2e144ec37792");
    std::memcpy(image.data() + volume_header, authenticated.bytes.data(), authenticated.bytes.size());
    auto const name_size = static_cast<std::uint32_t>((name.size() + 1) * sizeof(char16_t));
    std::memset(image.data() + at, 0, 60);
    put(image, at, std::uint16_t{0x55AA});
    put(image, at + 2, state);
    put(image, at + 36, name_size);
    put(image, at + 40, static_cast<std::uint32_t>(data.size()));
    std::memcpy(image.data() + at + 44, vendor.bytes.data(), vendor.bytes.size());
    std::memcpy(image.data() + at + 60, name.c_str(), name_size);
    std::ranges::copy(data, image.begin() + static_cast<std::ptrdiff_t>(at + 60 + name_size));
    return (at + 60 + name_size + data.size() + 3) & ~std::size_t{3};
}

inline std::vector<std::byte> bytes(std::string const& text)
{
    auto const all = std::as_bytes(std::span{text});
    return {all.begin(), all.end()};
}

} // namespace vmm::firmware::testing
