#include "devices/pc/acpi_pm.hpp"

#include "devices/pc/platform.hpp"

namespace devices {

namespace {

constexpr std::uint16_t event_base = platform::acpi_pm1a_event.first - platform::acpi_pm.first;
constexpr std::uint16_t control_base = platform::acpi_pm1a_control.first - platform::acpi_pm.first;
constexpr std::uint16_t timer_base = platform::acpi_pm_timer.first - platform::acpi_pm.first;

constexpr std::uint16_t events_base = platform::acpi_gpe0.first - platform::acpi_pm.first;

// PM1 status and enable bits have the same places.
constexpr std::uint16_t pm1_timer = 1U << 0;
constexpr std::uint16_t pm1_global_lock = 1U << 5;
constexpr std::uint16_t pm1_power_button = 1U << 8;
constexpr std::uint16_t pm1_rtc_alarm = 1U << 10;
constexpr std::uint16_t pm1_enable_bits = pm1_timer | pm1_global_lock | pm1_power_button | pm1_rtc_alarm;

constexpr std::uint16_t control_sci_enabled = 1U << 0;
constexpr std::uint16_t control_bus_master_reload = 1U << 1;
constexpr std::uint16_t control_sleep_type = 7U << 10;
constexpr std::uint16_t control_sleep_enable = 1U << 13;
constexpr unsigned sleep_type_shift = 10;

constexpr std::uint8_t event_bits = 1U << platform::generation_changed.number;

constexpr std::uint64_t ticks_per_second = 3'579'545;
constexpr std::uint64_t ns_per_second = 1'000'000'000;
constexpr unsigned carry_bit = 31; // of a 32-bit timer

std::uint64_t ticks_at(std::chrono::nanoseconds t)
{
    auto const ns = static_cast<std::uint64_t>(t.count());
    return ns / ns_per_second * ticks_per_second + ns % ns_per_second * ticks_per_second / ns_per_second;
}

/// The first nanosecond at which ticks_at() is `ticks` or more.
std::chrono::nanoseconds time_of(std::uint64_t ticks)
{
    auto const rest = (ticks % ticks_per_second * ns_per_second + ticks_per_second - 1) / ticks_per_second;
    return std::chrono::nanoseconds{ticks / ticks_per_second * ns_per_second + rest};
}

std::uint8_t byte_of(std::uint32_t value, unsigned index)
{
    return static_cast<std::uint8_t>(value >> (8 * index));
}

std::uint16_t in_byte(std::uint8_t value, unsigned index)
{
    return static_cast<std::uint16_t>(value << (8 * index));
}

} // namespace

AcpiPm::AcpiPm(Clock& clock, IrqLine& sci, PowerEvents& events)
    : clock_{clock}, events_{events}, registers_{clock, sci}
{
    clock_.on_deadline([this] { registers_.lock()->on_deadline(); });
}

AcpiPm::Registers::Registers(Clock& clock, IrqLine& sci) : clock_{clock}, sci_{sci}
{
    state_.carry_period = ticks_at(clock.now()) >> carry_bit;
}

void AcpiPm::Registers::on_deadline()
{
    catch_up();
    update();
}

void AcpiPm::press_power_button()
{
    raise(pm1_power_button);
}

void AcpiPm::rtc_alarm()
{
    raise(pm1_rtc_alarm);
}

void AcpiPm::raise_event(platform::GeneralPurposeEvent event)
{
    registers_.lock()->raise_event(static_cast<std::uint8_t>(1U << event.number));
}

void AcpiPm::Registers::raise(std::uint16_t bit)
{
    state_.status |= bit;
    update();
}

void AcpiPm::Registers::raise_event(std::uint8_t bit)
{
    state_.event_status |= bit;
    update();
}

void AcpiPm::visit(hv::StateVisitor& visitor)
{
    registers_.lock()->visit(visitor);
}

void AcpiPm::Registers::visit(hv::StateVisitor& visitor)
{
    hv::visit(visitor, state_);
    if (!visitor.restores()) return;
    sci_.set(state_.line);
    update();
}

std::uint8_t AcpiPm::read_byte(std::uint16_t offset)
{
    if (offset >= timer_base && offset < timer_base + platform::acpi_pm_timer.count)
        return byte_of(static_cast<std::uint32_t>(ticks_at(clock_.now())), offset - timer_base);

    return registers_.lock()->read(offset);
}

std::uint8_t AcpiPm::Registers::read(std::uint16_t offset)
{
    switch (offset) {
    case event_base:
    case event_base + 1: catch_up(); return byte_of(state_.status, offset - event_base);
    case event_base + 2:
    case event_base + 3: return byte_of(state_.enable, offset - event_base - 2U);
    case control_base:
    case control_base + 1: return byte_of(state_.control | control_sci_enabled, offset - control_base);
    case events_base: return state_.event_status;
    case events_base + 1: return state_.event_enable;
    default: return 0xFF;
    }
}

void AcpiPm::write_byte(std::uint16_t offset, std::uint8_t value)
{
    bool const power_off = registers_.lock()->write(offset, value);
    if (power_off) events_.power_off();
}

bool AcpiPm::Registers::write(std::uint16_t offset, std::uint8_t value)
{
    switch (offset) {
    case event_base:
    case event_base + 1: clear_status(in_byte(value, offset - event_base)); return false;
    case event_base + 2: set_enable(static_cast<std::uint16_t>((state_.enable & 0xFF00U) | value)); return false;
    case event_base + 3:
        set_enable(static_cast<std::uint16_t>((state_.enable & 0x00FFU) | in_byte(value, 1)));
        return false;
    case control_base:
    case control_base + 1: return set_control(offset - control_base, value);
    case events_base:
        state_.event_status = static_cast<std::uint8_t>(state_.event_status & ~value);
        update();
        return false;
    case events_base + 1:
        state_.event_enable = value & event_bits;
        update();
        return false;
    default: return false;
    }
}

void AcpiPm::Registers::clear_status(std::uint16_t bits)
{
    catch_up();
    state_.status = static_cast<std::uint16_t>(state_.status & ~bits);
    update();
}

void AcpiPm::Registers::set_enable(std::uint16_t value)
{
    catch_up();
    state_.enable = value & pm1_enable_bits;
    update();
}

/// True when this asks for S5. SLP_TYP and SLP_EN share the high byte, so a guest that writes bytes works as well.
bool AcpiPm::Registers::set_control(unsigned byte, std::uint8_t value)
{
    auto const kept = byte == 0 ? state_.control & 0xFF00U : state_.control & 0x00FFU;
    auto const written = kept | in_byte(value, byte);
    state_.control =
        written & (control_bus_master_reload | control_sleep_type); // SLP_EN and GBL_RLS always read zero

    auto const type = (written & control_sleep_type) >> sleep_type_shift;
    return (written & control_sleep_enable) && type == platform::acpi_s5_sleep_type;
}

/// TMR_STS: the timer's highest bit has changed since last time.
void AcpiPm::Registers::catch_up()
{
    auto const period = ticks_at(clock_.now()) >> carry_bit;
    if (period == state_.carry_period) return;
    state_.carry_period = period;
    state_.status |= pm1_timer;
}

void AcpiPm::Registers::update()
{
    auto const level = (state_.status & state_.enable) != 0 || (state_.event_status & state_.event_enable) != 0;
    if (level != state_.line) {
        state_.line = level;
        sci_.set(level);
    }

    if ((state_.enable & pm1_timer) && !(state_.status & pm1_timer)) {
        clock_.arm(time_of((state_.carry_period + 1) << carry_bit));
    } else {
        clock_.disarm();
    }
}

} // namespace devices
