#include "devices/vmbus/video/resolutions.hpp"

#include <algorithm>
#include <numeric>
#include <string_view>

namespace devices::vmbus::video {

namespace {

constexpr std::array<Resolution, 13> known{{{640, 480},
                                            {800, 600},
                                            {1024, 768},
                                            {1152, 864},
                                            {1280, 720},
                                            {1280, 800},
                                            {1280, 1024},
                                            {1366, 768},
                                            {1440, 900},
                                            {1600, 900},
                                            {1600, 1200},
                                            {1680, 1050},
                                            {1920, 1080}}};
static_assert(known[preferred_resolution].width == 1024 && known[preferred_resolution].height == 768);

} // namespace

std::span<Resolution const> resolutions()
{
    return known;
}

std::array<std::uint8_t, edid_bytes> edid()
{
    std::array<std::uint8_t, edid_bytes> block{};
    auto const put = [&](std::size_t at, std::initializer_list<std::uint8_t> bytes) {
        std::ranges::copy(bytes, block.begin() + static_cast<std::ptrdiff_t>(at));
    };
    put(0, {0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x00});
    put(8, {0x36, 0x68, 0x2E, 0x06});  // "MSH" in letters of five bits, product 0x062E
    put(17, {21, 1, 4});               // 2011, version 1.4
    put(20, {0x80, 0, 0, 0x78, 0x02}); // digital, of no known size, gamma 2.2, the first timing is the preferred one
    std::fill_n(block.begin() + 38, 16, std::uint8_t{1}); // no standard timings
    // VESA DMT 1024x768 at 60 Hz: 65 MHz; 1024 + 320 across, 768 + 38 down; negative sync.
    put(54, {0x64, 0x19, 0x00, 0x40, 0x41, 0x00, 0x26, 0x30, 0x18, 0x88, 0x36, 0, 0, 0, 0, 0, 0, 0x18});
    put(72, {0, 0, 0, 0xFC, 0});
    constexpr std::string_view name = "HyperVMonitor";
    std::ranges::copy(name, block.begin() + 77);
    put(93, {0x10}); // two descriptors that say nothing
    put(111, {0x10});
    block.back() = static_cast<std::uint8_t>(-std::accumulate(block.begin(), block.end() - 1, 0));
    return block;
}

} // namespace devices::vmbus::video
