#include "devices/pc/rtc_cmos.hpp"

#include "devices/pc/platform.hpp"

#include <algorithm>
#include <utility>

namespace devices {

using std::chrono::floor;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using std::chrono::sys_seconds;

namespace {

enum Register : unsigned {
    second = 0x00,
    second_alarm = 0x01,
    minute = 0x02,
    minute_alarm = 0x03,
    hour = 0x04,
    hour_alarm = 0x05,
    weekday = 0x06,
    day = 0x07,
    month = 0x08,
    year = 0x09,
    divider = 0x0A,
    control = 0x0B,
    flags = 0x0C,
    validity = 0x0D,
    equipment = 0x14,
    base_memory = 0x15,
    extended_memory = 0x17,
    extended_memory_found = 0x30,
    century = platform::cmos_century_index,
    memory_above_16m = 0x34,
    memory_above_4g = 0x5B,
};

namespace a {
constexpr std::uint8_t update_in_progress = 0x80;
constexpr std::uint8_t divider_reset = 0x60; // both bits: the chain stands still
constexpr std::uint8_t rate = 0x0F;
constexpr std::uint8_t initial = 0x26; // a 32,768 Hz crystal; 1,024 interrupts a second
} // namespace a

// The three interrupts are enabled in B and flagged in C, each with the same bit.
constexpr std::uint8_t periodic = 0x40;
constexpr std::uint8_t alarm_matched = 0x20;
constexpr std::uint8_t update_ended = 0x10;
constexpr std::uint8_t interrupts = periodic | alarm_matched | update_ended;

namespace b {
constexpr std::uint8_t set = 0x80;
constexpr std::uint8_t binary = 0x04;
constexpr std::uint8_t hours_24 = 0x02;
} // namespace b

constexpr std::uint8_t c_any_enabled = 0x80;
constexpr std::uint8_t d_valid = 0x80;
constexpr std::uint8_t coprocessor = 0x02;

constexpr nanoseconds update_warning = std::chrono::microseconds{244};
constexpr nanoseconds first_update_after_reset = std::chrono::milliseconds{500};
constexpr std::int64_t crystal_hz = 32'768;
constexpr std::int64_t ns_per_second = 1'000'000'000;

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;

constexpr bool is_calendar(unsigned index)
{
    return index == second || index == minute || index == hour || (index >= weekday && index <= year) ||
           index == century;
}

constexpr bool is_alarm(unsigned index)
{
    return index == second_alarm || index == minute_alarm || index == hour_alarm;
}

constexpr std::uint64_t part_above(std::uint64_t size, std::uint64_t start)
{
    return size > start ? size - start : 0;
}

} // namespace

RtcCmos::RtcCmos(WallClock& clock, IrqLine& irq, Memory memory, std::function<void()> alarm)
    : registers_{clock, irq, memory, std::move(alarm)}
{
    clock.on_deadline([this] { registers_.lock()->on_deadline(); });
}

RtcCmos::Registers::Registers(WallClock& clock, IrqLine& irq, Memory memory, std::function<void()> alarm)
    : clock_{clock}, irq_{irq}, alarm_came_{std::move(alarm)}
{
    state_.seen = clock.now();
    state_.cmos[divider] = a::initial;
    state_.cmos[control] = b::hours_24;
    state_.cmos[equipment] = coprocessor;
    store_memory(memory);
}

void RtcCmos::Registers::on_deadline()
{
    armed_.reset();
    catch_up();
    update();
}

/// Sizes are little-endian and saturate. 1 KiB units up to the 16 MiB field, 64 KiB units from there on.
void RtcCmos::Registers::store_memory(Memory memory)
{
    auto const store = [this](unsigned index, unsigned bytes, std::uint64_t value) {
        auto const stored = std::min(value, (std::uint64_t{1} << (8 * bytes)) - 1);
        for (unsigned i = 0; i < bytes; ++i)
            state_.cmos.at(index + i) = static_cast<std::uint8_t>(stored >> (8 * i));
    };
    store(base_memory, 2, std::min<std::uint64_t>(memory.below_4g / kib, 640));
    store(extended_memory, 2, part_above(memory.below_4g, mib) / kib);
    store(extended_memory_found, 2, part_above(memory.below_4g, mib) / kib);
    store(memory_above_16m, 2, part_above(memory.below_4g, 16 * mib) / (64 * kib));
    store(memory_above_4g, 3, memory.above_4g / (64 * kib));
}

void RtcCmos::visit(hv::StateVisitor& visitor)
{
    registers_.lock()->visit(visitor);
}

void RtcCmos::Registers::visit(hv::StateVisitor& visitor)
{
    hv::visit(visitor, state_);
    if (!visitor.restores()) return;
    state_.index = static_cast<std::uint8_t>(state_.index % state_.cmos.size());
    irq_.set(state_.line);
    armed_.reset();
    update();
}

std::uint8_t RtcCmos::read_byte(std::uint16_t offset)
{
    if (offset != 1) return 0xFF; // the index cannot be read back
    return registers_.lock()->read();
}

void RtcCmos::write_byte(std::uint16_t offset, std::uint8_t value)
{
    if (offset > 1) return;
    auto const registers = registers_.lock();
    offset == 1 ? registers->write(value) : registers->select(value);
}

std::uint8_t RtcCmos::Registers::read()
{
    return read_register(state_.index);
}

void RtcCmos::Registers::write(std::uint8_t value)
{
    write_register(state_.index, value);
}

void RtcCmos::Registers::select(std::uint8_t index)
{
    state_.index = index & 0x7F; // bit 7 masks NMIs, of which there are none here
}

std::uint8_t RtcCmos::Registers::read_register(unsigned index)
{
    if (is_calendar(index) && !calendar_held()) store_calendar();

    switch (index) {
    case divider:
        return static_cast<std::uint8_t>(state_.cmos[divider] | (update_in_progress() ? a::update_in_progress : 0));
    case flags: return take_flags();
    case validity: return d_valid;
    default: return state_.cmos[index];
    }
}

void RtcCmos::Registers::write_register(unsigned index, std::uint8_t value)
{
    if (index == flags || index == validity) return;

    catch_up();
    if (index == divider) {
        write_divider(value);
    } else if (index == control) {
        write_control(value);
    } else if (is_calendar(index) && !calendar_held()) {
        store_calendar();
        state_.cmos[index] = value;
        adopt_calendar();
    } else {
        state_.cmos[index] = value;
    }

    if (index == divider || index == control || is_calendar(index) || is_alarm(index)) update();
}

void RtcCmos::Registers::write_divider(std::uint8_t value)
{
    auto const before = hold();
    state_.cmos[divider] = static_cast<std::uint8_t>(value & ~a::update_in_progress);
    resume(before);
}

/// SET also disables the update-ended interrupt, as the datasheet has it.
void RtcCmos::Registers::write_control(std::uint8_t value)
{
    auto const before = hold();
    state_.cmos[control] = static_cast<std::uint8_t>(value & b::set ? value & ~update_ended : value);
    resume(before);
}

/// What stands still now; with the calendar's registers as they are to be found if it is about to.
RtcCmos::Registers::Held RtcCmos::Registers::hold()
{
    if (!calendar_held()) store_calendar();
    return {.calendar = calendar_held(), .divider = divider_held()};
}

/// Lets time go on from what the calendar says, if nothing holds it any longer. The first update after a divider
/// reset comes half a second later.
void RtcCmos::Registers::resume(Held before)
{
    if (before.divider && !divider_held()) {
        auto const now = clock_.now();
        state_.phase = first_update_after_reset - (now - floor<seconds>(now));
        state_.seen = chain();
    }
    if (before.calendar && !calendar_held()) adopt_calendar();
}

std::uint8_t RtcCmos::Registers::take_flags()
{
    catch_up();
    auto const raised = std::exchange(state_.cmos[flags], std::uint8_t{0});
    auto const any_enabled = (raised & state_.cmos[control] & interrupts) != 0;
    update();
    return static_cast<std::uint8_t>(raised | (any_enabled ? c_any_enabled : 0));
}

void RtcCmos::Registers::store_calendar()
{
    auto const now = to_calendar(calendar_at(chain()), format());
    state_.cmos[second] = now.second;
    state_.cmos[minute] = now.minute;
    state_.cmos[hour] = now.hour;
    state_.cmos[weekday] = now.weekday;
    state_.cmos[day] = now.day;
    state_.cmos[month] = now.month;
    state_.cmos[year] = now.year;
    state_.cmos[century] = now.century;
}

void RtcCmos::Registers::adopt_calendar()
{
    RtcCalendar const set{
        .second = state_.cmos[second],
        .minute = state_.cmos[minute],
        .hour = state_.cmos[hour],
        .weekday = state_.cmos[weekday],
        .day = state_.cmos[day],
        .month = state_.cmos[month],
        .year = state_.cmos[year],
        .century = state_.cmos[century],
    };
    state_.shift = from_calendar(set, format()).time_since_epoch() - floor<seconds>(chain());
}

RtcFormat RtcCmos::Registers::format() const
{
    return {.binary = (state_.cmos[control] & b::binary) != 0, .hours_24 = (state_.cmos[control] & b::hours_24) != 0};
}

RtcAlarm RtcCmos::Registers::alarm() const
{
    return {
        .second = state_.cmos[second_alarm], .minute = state_.cmos[minute_alarm], .hour = state_.cmos[hour_alarm]};
}

bool RtcCmos::Registers::divider_held() const
{
    return (state_.cmos[divider] & a::divider_reset) == a::divider_reset;
}

bool RtcCmos::Registers::calendar_held() const
{
    return (state_.cmos[control] & b::set) || divider_held();
}

bool RtcCmos::Registers::update_in_progress() const
{
    auto const now = chain();
    return !calendar_held() && now - floor<seconds>(now) >= seconds{1} - update_warning;
}

sys_seconds RtcCmos::Registers::calendar_at(nanoseconds chain) const
{
    return sys_seconds{floor<seconds>(chain) + state_.shift};
}

nanoseconds RtcCmos::Registers::chain_at(sys_seconds time) const
{
    return time.time_since_epoch() - state_.shift;
}

/// The divider's tap for the periodic interrupt: 2^n cycles of the crystal. Rates 1 and 2 equal 8 and 9.
unsigned RtcCmos::Registers::periodic_shift() const
{
    auto const rate = static_cast<unsigned>(state_.cmos[divider] & a::rate);
    return (rate < 3 ? rate + 7 : rate) - 1;
}

std::int64_t RtcCmos::Registers::periodic_ticks(nanoseconds chain) const
{
    auto const whole = floor<seconds>(chain);
    auto const cycles = whole.count() * crystal_hz + (chain - whole).count() * crystal_hz / ns_per_second;
    return cycles >> periodic_shift();
}

/// Raises the flags of everything that has happened since last time.
void RtcCmos::Registers::catch_up()
{
    auto const before = std::exchange(state_.seen, chain());
    if (state_.seen <= before || divider_held()) return;

    if ((state_.cmos[divider] & a::rate) && periodic_ticks(state_.seen) != periodic_ticks(before))
        state_.cmos[flags] |= periodic;
    if (calendar_held() || calendar_at(state_.seen) == calendar_at(before)) return;

    state_.cmos[flags] |= update_ended;
    auto const next = next_alarm(alarm(), format(), calendar_at(before));
    if (next && *next <= calendar_at(state_.seen)) state_.cmos[flags] |= alarm_matched;
}

/// When the next enabled interrupt is due, on the chain.
std::optional<nanoseconds> RtcCmos::Registers::next_interrupt() const
{
    std::optional<nanoseconds> next;
    auto const consider = [&next](nanoseconds t) { next = next ? std::min(*next, t) : t; };

    if (divider_held()) return next;
    if ((state_.cmos[control] & periodic) && (state_.cmos[divider] & a::rate)) {
        auto const cycles = (periodic_ticks(state_.seen) + 1) << periodic_shift();
        auto const rest = ((cycles % crystal_hz) * ns_per_second + crystal_hz - 1) / crystal_hz;
        consider(seconds{cycles / crystal_hz} + nanoseconds{rest});
    }
    if (calendar_held()) return next;
    if (state_.cmos[control] & update_ended) consider(floor<seconds>(state_.seen) + seconds{1});
    if (auto const due = next_alarm_interrupt()) consider(*due);
    return next;
}

/// When the alarm is due, unless it has come and waits to be collected.
std::optional<nanoseconds> RtcCmos::Registers::next_alarm_interrupt() const
{
    if (calendar_held() || state_.alarmed || !(state_.cmos[control] & alarm_matched)) return std::nullopt;
    auto const match = next_alarm(alarm(), format(), calendar_at(state_.seen));
    return match ? std::optional{chain_at(*match)} : std::nullopt;
}

void RtcCmos::Registers::update()
{
    bool const alarmed_before =
        std::exchange(state_.alarmed, (state_.cmos[flags] & state_.cmos[control] & alarm_matched) != 0);
    if (state_.alarmed && !alarmed_before && alarm_came_) alarm_came_();

    auto const level = (state_.cmos[flags] & state_.cmos[control] & interrupts) != 0;
    if (level != state_.line) {
        state_.line = level;
        irq_.set(level);
    }

    auto const chain_due = level ? next_alarm_interrupt() : next_interrupt();
    auto const due = chain_due ? std::optional{*chain_due - state_.phase} : std::nullopt;
    if (due == armed_) return;
    armed_ = due;
    if (due) {
        clock_.arm(*due);
    } else {
        clock_.disarm();
    }
}

} // namespace devices
