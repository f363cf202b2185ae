#include "vmm/firmware/volume.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace vmm::firmware {

namespace {

// The header's fields, by their offsets.
constexpr std::size_t file_system = 16;
constexpr std::size_t volume_length = 32;
constexpr std::size_t signature = 40;
constexpr std::size_t header_length = 48;
constexpr std::size_t smallest_header = 0x48; ///< with a block map of one entry and its end
constexpr std::size_t largest_header = 4096;

/// EFI_SYSTEM_NV_DATA_FV_GUID, fff12b8d-7696-4c8b-a985-2747075b4f50.
constexpr std::array<std::uint8_t, 16> variables_guid{0x8D, 0x2B, 0xF1, 0xFF, 0x96, 0x76, 0x8B, 0x4C,
                                                      0xA9, 0x85, 0x27, 0x47, 0x07, 0x5B, 0x4F, 0x50};

// A variable store's header.
constexpr std::size_t store_format = 20;
constexpr std::size_t store_state = 21;
constexpr std::byte formatted{0x5A};
constexpr std::byte healthy{0xFE};

template <typename Number>
Number number_at(std::span<std::byte const> bytes, std::size_t offset)
{
    Number value{};
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

} // namespace

std::optional<Volume> read_volume(std::span<std::byte const> bytes)
{
    constexpr std::array<char, 4> mark{'_', 'F', 'V', 'H'};
    if (bytes.size() < smallest_header || std::memcmp(bytes.data() + signature, mark.data(), mark.size()) != 0)
        return std::nullopt;
    auto const size = number_at<std::uint64_t>(bytes, volume_length);
    std::size_t const header_size = number_at<std::uint16_t>(bytes, header_length);
    if (header_size < smallest_header || header_size > std::min(largest_header, bytes.size()) ||
        header_size % 2 != 0 || size < header_size || size > bytes.size())
        return std::nullopt;
    std::uint16_t sum = 0;
    for (std::size_t at = 0; at < header_size; at += 2)
        sum = static_cast<std::uint16_t>(sum + number_at<std::uint16_t>(bytes, at));
    if (sum != 0) return std::nullopt;
    bool const holds_variables = std::ranges::equal(bytes.subspan(file_system, variables_guid.size()),
                                                    std::as_bytes(std::span{variables_guid}));
    return Volume{size, header_size, holds_variables};
}

bool is_healthy_store(std::span<std::byte const> header)
{
    return header.size() >= store_header_size && header[store_format] == formatted && header[store_state] == healthy;
}

} // namespace vmm::firmware
