#include "devices/display/scanner.hpp"

#include "devices/base/guarded_thread.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace devices::display {

namespace {

/// Lines of text are drawn with less between them, and are one change then.
constexpr std::uint32_t most_gap = 16;

std::size_t pixel_bytes(Mode const& mode)
{
    return mode.depth / 8;
}

} // namespace

bool Scanner::set_mode(Mode const& mode)
{
    auto const number = screen_->set_mode(mode);
    if (number == 0) return false;
    number_ = number;
    if (screen_->changes_wanted()) scan_later();
    return true;
}

bool Scanner::in_effect() const
{
    auto const number = number_.load();
    return number != 0 && number == screen_->mode_number();
}

void Scanner::changes_wanted(bool wanted)
{
    if (wanted && in_effect()) scan_later();
}

void Scanner::scan_later()
{
    if (scheduled_.exchange(true)) return;
    executor_->run_after(interval, [weak = weak_from_this()] {
        if (auto const self = weak.lock()) self->scan();
    });
}

/// Who wants changes from now on, or sets a mode, schedules the next one if this one does not.
void Scanner::scan()
{
    scheduled_ = false;
    auto const mode = screen_->mode();
    if (!screen_->changes_wanted() || !in_effect()) {
        seen_ = {};
        seen_mode_.reset();
        return;
    }
    // Without memory for a copy everything counts as changed.
    contain([&] { compare(mode); }, [&](char const*) { screen_->drawn(mode.all()); });
    scan_later();
}

void Scanner::compare(Mode const& mode)
{
    if (seen_mode_ != mode) {
        seen_mode_.reset();
        auto const picture = screen_->memory().subspan(mode.offset, std::size_t{mode.pitch} * mode.height);
        seen_.assign(picture.begin(), picture.end());
        seen_mode_ = mode;
        screen_->drawn(mode.all()); // nobody knows what of it was seen already
        return;
    }
    for (auto const& one : changed_bands(mode))
        screen_->drawn(one);
}

/// No more than the screen keeps apart.
std::vector<Rectangle> Scanner::changed_bands(Mode const& mode)
{
    std::vector<Rectangle> bands;
    for (std::uint32_t y = 0; y < mode.height; ++y) {
        auto const row = update_row(mode, y);
        if (row.empty()) continue;
        bool const joins =
            !bands.empty() && (y - bands.back().bottom < most_gap || bands.size() == Screen::most_rectangles);
        if (!joins) {
            bands.push_back(row);
            continue;
        }
        auto& band = bands.back();
        band = {std::min(band.left, row.left), band.top, std::max(band.right, row.right), row.bottom};
    }
    return bands;
}

/// The guest may draw meanwhile: each pixel is copied at once, and what comes after that is found the next time.
Rectangle Scanner::update_row(Mode const& mode, std::uint32_t y)
{
    auto const pixel = pixel_bytes(mode);
    auto const bytes = pixel * mode.width;
    auto const* const now = screen_->memory().data() + mode.offset + std::size_t{mode.pitch} * y;
    auto* const before = seen_.data() + std::size_t{mode.pitch} * y;
    if (std::memcmp(now, before, bytes) == 0) return {};
    Rectangle changed{mode.width, y, 0, y + 1};
    for (std::uint32_t x = 0; x < mode.width; ++x) {
        if (std::memcmp(now + x * pixel, before + x * pixel, pixel) == 0) continue;
        std::memcpy(before + x * pixel, now + x * pixel, pixel);
        changed.left = std::min(changed.left, x);
        changed.right = x + 1;
    }
    return changed;
}

} // namespace devices::display
