#include "devices/firmware/console_mailbox.hpp"

namespace devices::firmware {

namespace {

constexpr std::uint32_t low_half = 0xFFFF;

display::Mode mode_of(std::uint32_t value)
{
    auto const width = value & low_half;
    return {.width = width,
            .height = value >> 16,
            .pitch = width * console::bytes_per_pixel,
            .depth = 8 * console::bytes_per_pixel,
            .offset = 0};
}

} // namespace

bool ConsoleMailbox::strike(vmbus::ScanCode code, Stroke stroke)
{
    auto const state = state_.lock();
    if (!state->listens || state->strokes.size() >= most_strokes) return false;
    auto const released = stroke == Stroke::Release ? console::stroke_release : 0;
    state->strokes.push_back(console::stroke_present | released | static_cast<std::uint32_t>(code));
    return true;
}

bool ConsoleMailbox::point(vmbus::mouse::Report const& report)
{
    static_assert(vmbus::mouse::Report::most == console::most_place);
    auto const place = std::uint32_t{report.x} | std::uint32_t{report.y} << 16;
    auto const buttons = console::report_present | (report.buttons & console::report_buttons);
    auto const state = state_.lock();
    if (!state->points) return false;
    auto& waiting = state->reports;
    bool const replaces =
        !waiting.empty() && (static_cast<std::uint32_t>(waiting.back()) == buttons || waiting.size() >= most_reports);
    if (!replaces) waiting.push_back(0);
    waiting.back() = std::uint64_t{place} << 32 | buttons;
    return true;
}

std::uint32_t ConsoleMailbox::read_dword(std::uint64_t offset, unsigned)
{
    // Whole dwords alone take a stroke or a report: the driver reads nothing else.
    auto const at = offset & ~std::uint64_t{3};
    if (at == console::key) return offset == at ? next_stroke() : 0;
    if (at == console::report) return offset == at ? next_report() : 0;
    return read_register(at) >> 8 * (offset % 4);
}

std::uint32_t ConsoleMailbox::read_register(std::uint64_t offset)
{
    switch (offset) {
    case console::screen_low: return static_cast<std::uint32_t>(place_());
    case console::screen_high: return static_cast<std::uint32_t>(place_() >> 32);
    case console::screen_bytes: return static_cast<std::uint32_t>(scanner_->screen().memory().size());
    case console::mode: {
        auto const state = state_.lock();
        return scanner_->in_effect() ? state->mode : 0;
    }
    case console::keyboard: return state_.lock()->listens ? 1 : 0;
    case console::pointer: return state_.lock()->points ? 1 : 0;
    case console::report_place: return state_.lock()->place;
    default: return 0;
    }
}

std::uint32_t ConsoleMailbox::next_stroke()
{
    auto const state = state_.lock();
    if (state->strokes.empty()) return 0;
    auto const stroke = state->strokes.front();
    state->strokes.erase(state->strokes.begin());
    return stroke | console::stroke_present;
}

std::uint32_t ConsoleMailbox::next_report()
{
    auto const state = state_.lock();
    if (state->reports.empty()) return 0;
    auto const report = state->reports.front();
    state->reports.erase(state->reports.begin());
    state->place = static_cast<std::uint32_t>(report >> 32);
    return static_cast<std::uint32_t>(report) | console::report_present;
}

/// Whole dwords: the driver writes nothing else.
void ConsoleMailbox::write_dword(std::uint64_t offset, unsigned size, std::uint32_t value)
{
    if (size != 4) return;
    auto const state = state_.lock();
    if (offset == console::mode && scanner_->set_mode(mode_of(value))) state->mode = value;
    if (offset == console::keyboard && value <= 1) {
        state->listens = value != 0;
        state->strokes.clear();
    }
    if (offset == console::pointer && value <= 1) {
        state->points = value != 0;
        state->reports.clear();
    }
}

/// A mode that another driver's has replaced is not brought back.
void ConsoleMailbox::visit(hv::StateVisitor& visitor)
{
    auto const state = state_.lock();
    if (!scanner_->in_effect()) state->mode = 0;
    hv::visit(visitor, *state);
    if (visitor.restores() && state->mode != 0 && !scanner_->set_mode(mode_of(state->mode))) state->mode = 0;
}

} // namespace devices::firmware
