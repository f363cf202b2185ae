#include "vmm/base/user_error.hpp"
#include "vmm/control/base64.hpp"
#include "vmm/control/commands/commands.hpp"
#include "vmm/control/json_text.hpp"
#include "vmm/machine/display.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

namespace vmm::control {

namespace {

using devices::vmbus::mouse::Report;

Display& display_of(Call const& call)
{
    if (auto* const display = call.guest->display()) return *display;
    throw UserError{call.guest->options().designation() + " has no display: run it with --display"};
}

/// 0 to Report::most over the screen, its last pixel included.
std::uint16_t position(Call& call, std::string const& name, std::uint32_t size)
{
    auto const text = call.arguments.take(name);
    std::uint32_t pixel = 0;
    auto const* const end = text.data() + text.size();
    auto const [at, error] = std::from_chars(text.data(), end, pixel);
    if (error != std::errc{} || at != end || pixel >= size)
        throw UserError{name + ": '" + printable(text) + "' is no pixel of this screen: use 0 to " +
                        std::to_string(size - 1)};
    return Display::part_of(pixel, size);
}

struct Click {
    std::string_view name;
    std::uint8_t buttons;
    std::int16_t wheel;
};
constexpr std::array clicks{Click{"left", 1, 0}, Click{"right", 2, 0}, Click{"middle", 4, 0}, Click{"up", 0, 1},
                            Click{"down", 0, -1}};

Click click_named(std::string const& name)
{
    auto const found = std::ranges::find(clicks, name, &Click::name);
    if (found != clicks.end()) return *found;
    throw UserError{"button: '" + printable(name) +
                    "' is not known: use left, right, middle, or up or down for the wheel"};
}

std::vector<std::byte> in_three_bytes(std::vector<std::uint32_t> const& pixels)
{
    std::vector<std::byte> bytes;
    bytes.reserve(pixels.size() * 3);
    for (auto const pixel : pixels)
        for (auto const shift : {16, 8, 0})
            bytes.push_back(static_cast<std::byte>(pixel >> shift & 0xFF));
    return bytes;
}

} // namespace

/// Moves the pointer, and perhaps clicks.
void mouse(Call& call)
{
    auto& display = display_of(call);
    auto const mode = display.screen()->mode();
    Report report{};
    report.x = position(call, "x", mode.width);
    report.y = position(call, "y", mode.height);
    auto const button = call.arguments.take_optional("button");
    call.arguments.refuse_rest();
    std::vector<Report> reports{report};
    if (button) {
        auto const click = click_named(*button);
        auto pressed = report;
        pressed.buttons = click.buttons;
        pressed.wheel = click.wheel;
        reports.push_back(pressed);
        reports.push_back(report);
    }
    for (auto const& one : reports)
        if (!display.point(one)) throw UserError{"no driver in the guest takes a mouse"};
    call.reply.answer(nlohmann::json::object());
}

/// The picture as it is now, perhaps half drawn. `porthole ctl` writes the file.
void screenshot(Call& call)
{
    auto const& display = display_of(call);
    call.arguments.refuse_rest();
    auto const mode = display.screen()->mode();
    std::vector<std::uint32_t> pixels(std::size_t{mode.width} * mode.height);
    display.screen()->copy(mode, mode.all(), pixels.data(), mode.width);
    call.reply.answer({{"width", mode.width}, {"height", mode.height}, {"rgb", base64(in_three_bytes(pixels))}});
}

} // namespace vmm::control
