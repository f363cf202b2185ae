#include "devices/pc/acpi_pm.hpp"
#include "devices/pc/platform.hpp"
#include "devices/testing/fakes.hpp"
#include "hv/testing/catch.hpp"

using namespace std::chrono_literals;

namespace {

enum : std::uint16_t { status = 0, enable = 2, control = 4, timer = 8, events = 12 };

struct Machine {
    devices::testing::HandClock clock{};
    devices::testing::RecordedLine sci;
    devices::testing::RecordedPower power;
    devices::AcpiPm pm{clock, sci, power};
};

} // namespace

TEST_CASE("the machine is always in ACPI mode", "[acpi_pm]")
{
    Machine m;
    CHECK(m.pm.read(control, 2) == 0x0001);
    m.pm.write(control, 2, 0x0000);
    CHECK(m.pm.read(control, 2) == 0x0001);
}

TEST_CASE("SLP_EN with the type of S5 powers off, any other type does nothing", "[acpi_pm]")
{
    Machine m;
    for (std::uint32_t type = 0; type < 8; ++type) {
        if (type != devices::platform::acpi_s5_sleep_type) m.pm.write(control, 2, 0x2000 | type << 10);
    }
    CHECK(m.power.offs == 0);
    m.pm.write(control, 2, 0x1401); // the type first, as ACPICA does
    CHECK(m.power.offs == 0);
    m.pm.write(control, 2, 0x3401);
    CHECK(m.power.offs == 1);
    CHECK(m.pm.read(control, 2) == 0x1401);

    m.pm.write(control + 1, 1, 0x34);
    CHECK(m.power.offs == 2);
    CHECK(m.power.resets == 0);
}

TEST_CASE("the power button raises the SCI until its status is cleared", "[acpi_pm]")
{
    Machine m;
    m.pm.press_power_button();
    CHECK(m.pm.read(status, 2) == 0x0100);
    CHECK_FALSE(m.sci.level);

    m.pm.write(enable, 2, 0xFFFF);
    CHECK(m.pm.read(enable, 2) == 0x0521);
    CHECK(m.sci.level);

    m.pm.write(status, 2, 0x00FF); // other bits than the button's
    CHECK(m.sci.level);
    m.pm.write(status, 2, 0x0100);
    CHECK_FALSE(m.sci.level);
    CHECK(m.pm.read(status, 2) == 0);

    m.pm.press_power_button();
    CHECK(m.sci.rises == 2);
    m.pm.write(enable + 1, 1, 0);
    CHECK_FALSE(m.sci.level);
    CHECK(m.pm.read(status, 4) == 0x0021'0100);
}

TEST_CASE("a general-purpose event raises the SCI while it is enabled, until its status is cleared", "[acpi_pm]")
{
    Machine m;
    m.pm.write(events + 1, 1, 0xFF);
    CHECK(m.pm.read(events + 1, 1) == 0x01); // there is one (ACPI 6.5 §4.8.4.1)
    m.pm.write(events + 1, 1, 0);
    m.pm.raise_event(devices::platform::generation_changed);
    CHECK(m.pm.read(events, 2) == 0x0001);
    CHECK_FALSE(m.sci.level);
    m.pm.write(events + 1, 1, 1);
    CHECK(m.sci.level);
    m.pm.write(events, 1, 0xFE);
    CHECK(m.sci.level);

    m.pm.press_power_button(); // the two share the line
    m.pm.write(enable, 2, 0x0100);
    m.pm.write(events, 1, 1);
    CHECK(m.sci.level);
    m.pm.write(status, 2, 0x0100);
    CHECK_FALSE(m.sci.level);
    CHECK(m.sci.rises == 1);
}

TEST_CASE("an alarm of the RTC raises the SCI when it may, until its status is cleared", "[acpi_pm]")
{
    Machine m;
    m.pm.rtc_alarm();
    CHECK(m.pm.read(status, 2) == 0x0400);
    CHECK_FALSE(m.sci.level);
    m.pm.write(status, 2, 0x0400);
    m.pm.write(enable, 2, 0x0400);
    CHECK_FALSE(m.sci.level);
    m.pm.rtc_alarm();
    CHECK(m.sci.level);
    m.pm.write(status, 2, 0xFBFF); // other bits than the alarm's
    CHECK(m.sci.level);
    m.pm.write(status, 2, 0x0400);
    CHECK_FALSE(m.sci.level);
}

TEST_CASE("the timer counts 3,579,545 ticks a second in 32 bits", "[acpi_pm]")
{
    Machine m;
    CHECK(m.pm.read(timer, 4) == 0);
    m.clock.advance(1s);
    CHECK(m.pm.read(timer, 4) == 3'579'545);
    m.clock.advance(500ms);
    CHECK(m.pm.read(timer, 4) == 5'369'317);
    m.clock.advance(1h);
    auto const ticks = static_cast<std::uint32_t>(3'579'545ULL * 36015 / 10);
    CHECK(m.pm.read(timer, 4) == ticks);
    CHECK(m.pm.read(timer + 1, 2) == ((ticks >> 8) & 0xFFFF));
    m.pm.write(timer, 4, 0); // read-only
    CHECK(m.pm.read(timer, 4) == ticks);
}

TEST_CASE("the timer's carry is latched, and interrupts when that is enabled", "[acpi_pm]")
{
    Machine m;
    constexpr auto half = 599'940'000'000ns; // 2^31 ticks are 599.93...s
    m.clock.advance(half);
    CHECK(m.pm.read(status, 2) == 0x0001);
    m.pm.write(status, 2, 0x0001);
    CHECK(m.pm.read(status, 2) == 0x0000);

    m.pm.write(enable, 2, 0x0001);
    CHECK(m.clock.deadline());
    m.clock.advance(half);
    CHECK(m.clock.calls == 1);
    CHECK(m.sci.level);
    CHECK_FALSE(m.clock.deadline());
    m.pm.write(status, 2, 0x0001);
    CHECK_FALSE(m.sci.level);
    CHECK(m.clock.deadline());
    m.pm.write(enable, 2, 0x0000);
    CHECK_FALSE(m.clock.deadline());
}

TEST_CASE("no sequence of accesses confuses the ACPI registers", "[acpi_pm][hammer]")
{
    Machine m;
    std::mt19937 random{2};
    devices::testing::hammer(m.pm, 12, [&] {
        if (random() % 8 == 0) m.pm.press_power_button();
        m.clock.advance(std::chrono::milliseconds{random() % 100'000});
        auto const both = m.pm.read(status, 2) & m.pm.read(enable, 2);
        if (m.sci.level != (both != 0)) FAIL("the SCI is " << m.sci.level << " with " << both);
        if ((m.pm.read(control, 2) & ~0x1C03U) != 0) FAIL("a write-only bit reads 1");
    });
    CHECK(m.power.resets == 0);
}
