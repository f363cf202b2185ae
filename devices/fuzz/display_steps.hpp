/// What hosts and guests do with a screen and a mouse, for fuzz targets.
#pragma once

#include "devices/display/screen.hpp"
#include "devices/vmbus/channel/pipe.hpp"
#include "devices/vmbus/mouse/protocol.hpp"
#include "devices/vmbus/video/protocol.hpp"
#include "hv/fuzz/play.hpp"

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace devices::testing {

/// A message of the video device's or the mouse's.
template <typename Type, typename Body>
std::vector<std::byte> display_message(Type type, Body const& body)
{
    struct [[gnu::packed]] {
        vmbus::PipeHeader pipe;
        Type type;
        std::uint32_t size;
        Body body;
    } const message{{vmbus::pipe_data, 8 + sizeof body}, type, sizeof body, body};
    auto const bytes = std::as_bytes(std::span{&message, 1});
    return {bytes.begin(), bytes.end()};
}

/// What a driver says first.
inline std::vector<std::vector<std::byte>> mouse_greetings()
{
    using namespace vmbus::mouse;
    return {display_message(MessageType::ProtocolRequest, version_2_0),
            display_message(MessageType::DeviceInfoAck, std::uint8_t{0})};
}
inline std::vector<std::vector<std::byte>> video_greetings()
{
    using namespace vmbus::video;
    return {display_message(MessageType::VersionRequest, VersionRequest{{3, 5}}),
            display_message(MessageType::SituationUpdate, Situation{1, 1, 1, 0, 32, 800, 600, 3200})};
}

/// One row of each rectangle that was drawn, as a viewer is shown it.
inline void look_at(display::Screen& screen)
{
    std::vector<std::uint32_t> row(display::Mode::most_pixels);
    auto const changes = screen.take();
    auto const mode = screen.mode();
    hv::fuzz::require(changes.drawn.size() <= display::Screen::most_rectangles, "changes have a bound");
    for (auto area : changes.drawn) {
        hv::fuzz::require(!area.empty() && area.right <= mode.width && area.bottom <= mode.height,
                          "what was drawn lies in the picture");
        area.bottom = area.top + 1;
        screen.copy(mode, area, row.data(), row.size());
    }
    auto const& pointer = changes.pointer;
    hv::fuzz::require(!pointer || pointer->pixels.size() == std::size_t{pointer->width} * pointer->height,
                      "a pointer has all its pixels");
}

inline void use_screen(display::Screen& screen, unsigned what)
{
    switch (what % 3) {
    case 0: return screen.watch([] {});
    case 1: return screen.watch({});
    default: return look_at(screen);
    }
}

} // namespace devices::testing
