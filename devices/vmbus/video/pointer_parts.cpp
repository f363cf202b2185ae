#include "devices/vmbus/video/pointer_parts.hpp"

#include <algorithm>
#include <cstring>

namespace devices::vmbus::video {

namespace {

using display::Pointer;

constexpr std::size_t most_bytes = std::size_t{4} * Pointer::most_pixels * Pointer::most_pixels;

std::size_t mask_row(PointerShape const& header)
{
    return (header.width + 7) / 8;
}

std::size_t bytes_of(PointerShape const& header)
{
    if (header.colour != 0) return std::size_t{4} * header.width * header.height;
    return mask_row(header) * header.height * 2;
}

/// A pixel of two masks: transparent, black, white, or what lies below inverted, for which black stands.
std::uint32_t from_masks(bool stays, bool inverted)
{
    constexpr std::uint32_t black = 0xFF00'0000;
    constexpr std::uint32_t white = 0xFFFF'FFFF;
    if (stays) return inverted ? black : 0;
    return inverted ? white : black;
}

std::vector<std::uint32_t> pixels_of(PointerShape const& header, std::span<std::byte const> data)
{
    std::vector<std::uint32_t> pixels(std::size_t{header.width} * header.height);
    if (header.colour != 0) {
        if (!pixels.empty()) std::memcpy(pixels.data(), data.data(), pixels.size() * sizeof pixels[0]);
        return pixels;
    }
    auto const row = mask_row(header);
    for (std::size_t y = 0; y < header.height; ++y) {
        for (std::size_t x = 0; x < header.width; ++x) {
            auto const bit = [&](std::size_t line) {
                return (data[line * row + x / 8] & std::byte(0x80U >> x % 8)) != std::byte{0};
            };
            pixels[y * header.width + x] = from_masks(bit(y), bit(header.height + y));
        }
    }
    return pixels;
}

} // namespace

std::optional<Pointer> PointerParts::add(PointerShape const& header, std::span<std::byte const> data)
{
    if (header.part == 0) data_.clear();
    data = data.first(std::min(data.size(), most_bytes - data_.size()));
    data_.insert(data_.end(), data.begin(), data.end());
    if (header.part != last_part) return std::nullopt;

    auto const all = std::exchange(data_, {});
    if (header.width > Pointer::most_pixels || header.height > Pointer::most_pixels) return std::nullopt;
    if (all.size() < bytes_of(header)) return std::nullopt;
    // By value: the header's fields lie where they lie.
    auto const within = [](std::uint32_t place, std::uint32_t size) { return std::min(place, size); };
    return Pointer{header.width, header.height, within(header.hot_x, header.width),
                   within(header.hot_y, header.height), pixels_of(header, all)};
}

} // namespace devices::vmbus::video
