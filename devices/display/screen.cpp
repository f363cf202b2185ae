#include "devices/display/screen.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace devices::display {

namespace {

Rectangle common(Rectangle const& a, Rectangle const& b)
{
    return {std::max(a.left, b.left), std::max(a.top, b.top), std::min(a.right, b.right),
            std::min(a.bottom, b.bottom)};
}

Rectangle around(Rectangle const& a, Rectangle const& b)
{
    return {std::min(a.left, b.left), std::min(a.top, b.top), std::max(a.right, b.right),
            std::max(a.bottom, b.bottom)};
}

std::uint32_t from_16_bits(std::uint16_t pixel)
{
    auto const red = static_cast<std::uint32_t>(pixel >> 11);
    auto const green = static_cast<std::uint32_t>(pixel >> 5 & 0x3F);
    auto const blue = static_cast<std::uint32_t>(pixel & 0x1F);
    return (red << 3 | red >> 2) << 16 | (green << 2 | green >> 4) << 8 | (blue << 3 | blue >> 2);
}

} // namespace

bool Mode::fits(std::uint64_t memory_bytes) const
{
    if (width == 0 || height == 0 || width > most_pixels || height > most_pixels) return false;
    if (depth != 32 && depth != 16) return false;
    if (pitch < width * (depth / 8)) return false;
    return offset + std::uint64_t{pitch} * height <= memory_bytes;
}

void Screen::State::tell()
{
    if (changed && !std::exchange(told, true)) changed();
}

void Screen::attach(std::weak_ptr<Source> source)
{
    auto const state = state_.lock();
    std::erase_if(state->sources, [](auto const& one) { return one.expired(); });
    state->sources.push_back(std::move(source));
}

std::uint64_t Screen::set_mode(Mode const& mode)
{
    if (!mode.fits(memory_.size())) return 0;
    auto const state = state_.lock();
    state->mode = mode;
    ++state->mode_number;
    state->mode_changed = true;
    state->drawn.clear();
    if (state->changed) state->drawn.push_back(mode.all());
    state->tell();
    return state->mode_number;
}

void Screen::drawn(Rectangle area)
{
    auto const state = state_.lock();
    if (!state->changed) return;
    area = common(area, state->mode.all());
    if (area.empty()) return;
    auto& all = state->drawn;
    if (std::ranges::any_of(all, [&](auto const& one) { return common(one, area) == area; })) return;
    if (all.size() == most_rectangles) {
        for (auto const& one : all)
            area = around(area, one);
        all.clear();
    }
    all.push_back(area);
    state->tell();
}

void Screen::set_pointer(Pointer pointer)
{
    auto const state = state_.lock();
    state->pointer = std::move(pointer);
    state->pointer_changed = true;
    state->tell();
}

void Screen::reset()
{
    set_pointer({});
    (void)set_mode({});
}

void Screen::watch(std::function<void()> changed)
{
    bool const wanted = static_cast<bool>(changed);
    std::vector<std::weak_ptr<Source>> sources;
    {
        auto const state = state_.lock();
        state->changed = std::move(changed);
        state->mode_changed = state->pointer_changed = wanted;
        state->drawn.clear();
        if (wanted) state->drawn.push_back(state->mode.all());
        state->told = false;
        state->tell();
        sources = state->sources;
    }
    for (auto const& one : sources)
        if (auto const source = one.lock()) source->changes_wanted(wanted);
}

Screen::Changes Screen::take()
{
    auto const state = state_.lock();
    Changes changes{.drawn = std::exchange(state->drawn, {})};
    if (std::exchange(state->mode_changed, false)) changes.mode = state->mode;
    if (std::exchange(state->pointer_changed, false)) changes.pointer = state->pointer;
    state->told = false;
    return changes;
}

void Screen::copy(Mode const& mode, Rectangle const& area, std::uint32_t* to, std::size_t row) const
{
    if (area.empty() || !mode.fits(memory_.size()) || common(area, mode.all()) != area) return;
    auto const count = area.right - area.left;
    auto const pixel = mode.depth / 8;
    for (auto y = area.top; y < area.bottom; ++y, to += row) {
        auto const* from =
            memory_.data() + mode.offset + std::size_t{mode.pitch} * y + std::size_t{pixel} * area.left;
        if (pixel == sizeof *to) {
            std::memcpy(to, from, count * sizeof *to);
            std::for_each_n(to, count, [](std::uint32_t& one) { one &= 0xFF'FFFF; });
            continue;
        }
        for (std::uint32_t x = 0; x < count; ++x, from += pixel) {
            std::uint16_t value = 0;
            std::memcpy(&value, from, sizeof value);
            to[x] = from_16_bits(value);
        }
    }
}

} // namespace devices::display
