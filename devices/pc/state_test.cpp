/// A device whose state was saved and put back into another one goes on as the first: whatever is kept outside the
/// structure that is visited shows here.
#include "devices/pc/acpi_pm.hpp"
#include "devices/pc/fw_cfg.hpp"
#include "devices/pc/reset_control.hpp"
#include "devices/pc/rtc_cmos.hpp"
#include "devices/pc/uart16550.hpp"
#include "devices/testing/fakes.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/saved_state.hpp"

#include <chrono>
#include <cstdint>
#include <random>

namespace devices {

namespace {

using namespace std::chrono_literals;
using hv::testing::SavedState;

/// The same random accesses and steps of time to both, which have to answer alike.
template <typename Setting>
void compare(Setting& first, Setting& second, std::uint16_t ports, std::mt19937& random, unsigned accesses)
{
    for (unsigned i = 0; i < accesses; ++i) {
        auto const offset = static_cast<std::uint16_t>(random() % ports);
        auto const value = static_cast<std::uint32_t>(random() & 0xFF);
        auto const kind = random() % 8;
        auto const step = std::chrono::nanoseconds{random() % 2 == 0 ? random() % 1'000'000 : random()};
        auto const access = [&](Setting& setting) -> std::uint32_t {
            if (kind == 0) {
                setting.advance(step);
                return setting.input(static_cast<std::uint8_t>(value));
            }
            if (kind < 4) return setting.device.read(offset, 1);
            setting.device.write(offset, 1, value);
            return 0;
        };
        REQUIRE(access(first) == access(second));
        REQUIRE(first.line.level == second.line.level);
    }
}

struct UartSetting {
    testing::RecordedSink sink;
    testing::RecordedLine line;
    Uart16550 device{sink, line};

    void advance(std::chrono::nanoseconds) {}
    std::uint32_t input(std::uint8_t value)
    {
        std::byte const byte{value};
        return static_cast<std::uint32_t>(device.receive({&byte, 1}));
    }
};

struct AcpiSetting {
    explicit AcpiSetting(std::chrono::nanoseconds now = 0ns) : clock{now} {}
    testing::HandClock clock;
    testing::RecordedLine line;
    testing::RecordedPower power;
    AcpiPm device{clock, line, power};

    void advance(std::chrono::nanoseconds by) { clock.advance(100 * by); }
    std::uint32_t input(std::uint8_t value)
    {
        if (value < 16) device.press_power_button();
        return static_cast<std::uint32_t>(clock.deadline().value_or(0ns).count());
    }
};

struct RtcSetting {
    explicit RtcSetting(std::chrono::nanoseconds now = 1'800'000'000s) : clock{now} {}
    testing::HandClock clock;
    testing::RecordedLine line;
    unsigned alarms = 0;
    RtcCmos device{clock, line, {1 << 20, 0}, [this] { ++alarms; }};

    void advance(std::chrono::nanoseconds by) { clock.advance(by); }
    std::uint32_t input(std::uint8_t) { return static_cast<std::uint32_t>(clock.deadline().value_or(0ns).count()); }
};

} // namespace

TEST_CASE("a serial port goes on elsewhere where it was", "[uart][state]")
{
    std::mt19937 random{1};
    for (unsigned round = 0; round < 50; ++round) {
        UartSetting first;
        testing::hammer(
            first.device, 8, [&] { (void)first.input(static_cast<std::uint8_t>(random())); }, round * 7);
        SavedState saved;
        saved.save(first.device);
        UartSetting second;
        saved.restore(second.device);
        CHECK(second.line.level == first.line.level);
        first.sink.text.clear();
        compare(first, second, 8, random, 500);
        CHECK(first.sink.text == second.sink.text);
    }
}

TEST_CASE("ACPI's registers go on elsewhere where they were", "[acpi][state]")
{
    std::mt19937 random{2};
    for (unsigned round = 0; round < 50; ++round) {
        AcpiSetting first;
        testing::hammer(
            first.device, 12,
            [&] {
                first.advance(std::chrono::nanoseconds{random()});
                (void)first.input(static_cast<std::uint8_t>(random()));
            },
            round * 7);
        SavedState saved;
        saved.save(first.device);
        AcpiSetting second{first.clock.now()};
        saved.restore(second.device);
        first.power.offs = 0;
        compare(first, second, 12, random, 500);
        CHECK(first.power.offs == second.power.offs);
    }
}

TEST_CASE("the real-time clock goes on elsewhere where it was", "[rtc][state]")
{
    std::mt19937 random{3};
    for (unsigned round = 0; round < 50; ++round) {
        RtcSetting first;
        testing::hammer(
            first.device, 2, [&] { first.advance(std::chrono::nanoseconds{random()}); }, round * 20);
        SavedState saved;
        saved.save(first.device);
        RtcSetting second{first.clock.now()};
        saved.restore(second.device);
        first.alarms = 0;
        second.alarms = 0;
        compare(first, second, 2, random, 500);
        CHECK(first.alarms == second.alarms);
    }
}

TEST_CASE("what was saved by a liar does no harm", "[uart][rtc][state][hostile]")
{
    hv::testing::LyingState liar;
    UartSetting uart;
    uart.device.visit(liar);
    testing::hammer(
        uart.device, 8, [&] { (void)uart.input(1); }, 1000);
    AcpiSetting acpi;
    acpi.device.visit(liar);
    testing::hammer(
        acpi.device, 12, [] {}, 1000);
    RtcSetting rtc;
    rtc.device.visit(liar);
    testing::hammer(
        rtc.device, 2, [] {}, 1000);
}

TEST_CASE("an item that was read in part is read on elsewhere", "[fwcfg][state]")
{
    FwCfg::Machine const machine{3, 64 << 20};
    FwCfg first{machine};
    first.write(0, 2, 0x0003); // the size of memory
    for (unsigned i = 0; i < 3; ++i)
        CHECK(first.read(1, 1) == 0);
    SavedState saved;
    saved.save(first);
    FwCfg second{machine};
    saved.restore(second);
    CHECK(second.read(1, 1) == 4);

    hv::testing::LyingState liar;
    second.visit(liar);
    CHECK(second.read(1, 1) == 0);
    second.write(0, 2, 0x0005);
    CHECK(second.read(1, 1) == 3);
}

TEST_CASE("the registers that reset a PC keep what can be written elsewhere", "[reset][state]")
{
    testing::RecordedPower power;
    ResetControlRegister reset{power};
    SystemControlPortA control{power};
    reset.write(0, 1, 0x0A);
    control.write(0, 1, 0x00);
    SavedState saved;
    saved.save(reset);
    saved.save(control);
    ResetControlRegister other_reset{power};
    SystemControlPortA other_control{power};
    saved.restore(other_reset);
    saved.restore(other_control);
    CHECK(other_reset.read(0, 1) == 0x0A);
    CHECK(other_control.read(0, 1) == 0x00);
    CHECK(power.resets == 0);
}

} // namespace devices
