#include "devices/pc/rtc_calendar.hpp"
#include "hv/testing/catch.hpp"

#include <random>

using namespace devices;
using namespace std::chrono_literals;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

namespace {

constexpr RtcFormat bcd_24{.binary = false, .hours_24 = true};
constexpr RtcFormat bcd_12{.binary = false, .hours_24 = false};
constexpr RtcFormat binary_24{.binary = true, .hours_24 = true};
constexpr RtcFormat binary_12{.binary = true, .hours_24 = false};

constexpr sys_seconds sunday_noon = sys_days{2026y / 11 / 22} + 12h + 34min + 56s;

sys_seconds at(sys_seconds day, std::chrono::seconds time)
{
    return std::chrono::floor<std::chrono::days>(day) + time;
}

} // namespace

TEST_CASE("a time is spelled in each of the four formats", "[rtc]")
{
    auto const bcd = to_calendar(sunday_noon, bcd_24);
    CHECK(bcd.century == 0x20);
    CHECK(bcd.year == 0x26);
    CHECK(bcd.month == 0x11);
    CHECK(bcd.day == 0x22);
    CHECK(bcd.weekday == 0x01);
    CHECK(bcd.hour == 0x12);
    CHECK(bcd.minute == 0x34);
    CHECK(bcd.second == 0x56);

    CHECK(to_calendar(sunday_noon, binary_24).year == 26);
    CHECK(to_calendar(sunday_noon, binary_24).second == 56);
    CHECK(to_calendar(sunday_noon, bcd_12).hour == 0x92);
    CHECK(to_calendar(sunday_noon, binary_12).hour == 0x8C);
    CHECK(to_calendar(at(sunday_noon, 0h), bcd_12).hour == 0x12);
    CHECK(to_calendar(at(sunday_noon, 11h), bcd_12).hour == 0x11);
    CHECK(to_calendar(at(sunday_noon, 23h), bcd_12).hour == 0x91);
    CHECK(to_calendar(at(sunday_noon, 24h), bcd_24).weekday == 0x02);
}

TEST_CASE("what is spelled is read back, whenever and however", "[rtc]")
{
    std::mt19937_64 random{6};
    auto const first = sys_days{0y / 1 / 1}.time_since_epoch().count();
    auto const last = sys_days{9999y / 12 / 31}.time_since_epoch().count();
    for (int i = 0; i < 2'000; ++i) {
        auto const day = first + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(last - first));
        auto const time = sys_seconds{std::chrono::days{day}} + std::chrono::seconds{random() % 86'400};
        for (auto const format : {bcd_24, bcd_12, binary_24, binary_12}) {
            if (from_calendar(to_calendar(time, format), format) != time)
                FAIL("day " << day << " in format " << format.binary << format.hours_24);
        }
    }
}

TEST_CASE("what is no date becomes the nearest one", "[rtc]")
{
    RtcCalendar calendar = to_calendar(sunday_noon, binary_24);
    calendar.day = 31;
    CHECK(from_calendar(calendar, binary_24) == sys_days{2026y / 11 / 30} + 12h + 34min + 56s);
    calendar.month = 2;
    CHECK(from_calendar(calendar, binary_24) == sys_days{2026y / 2 / 28} + 12h + 34min + 56s);
    calendar = {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF};
    for (auto const format : {bcd_24, bcd_12, binary_24, binary_12})
        CHECK(from_calendar(calendar, format) == sys_days{9999y / 12 / 31} + 23h + 59min + 59s);
    calendar = {};
    CHECK(from_calendar(calendar, bcd_24) == sys_days{0y / 1 / 1});
}

TEST_CASE("an alarm comes at the next match, and never at the present moment", "[rtc]")
{
    CHECK(next_alarm({0x57, 0x34, 0x12}, bcd_24, sunday_noon) == sunday_noon + 1s);
    CHECK(next_alarm({0x56, 0x34, 0x12}, bcd_24, sunday_noon) == sunday_noon + 24h);
    CHECK(next_alarm({0x55, 0x34, 0x12}, bcd_24, sunday_noon) == sunday_noon + 24h - 1s);
    CHECK(next_alarm({0x00, 0x00, 0x00}, bcd_24, sunday_noon) == at(sunday_noon, 24h));
    CHECK(next_alarm({59, 59, 0x80 | 11}, binary_12, sunday_noon) == at(sunday_noon, 24h - 1s));
}

TEST_CASE("an alarm byte may match anything", "[rtc]")
{
    CHECK(next_alarm({0xFF, 0xC0, 0xD5}, bcd_24, sunday_noon) == sunday_noon + 1s);
    CHECK(next_alarm({0x00, 0xFF, 0xFF}, bcd_24, sunday_noon) == sunday_noon + 4s);
    CHECK(next_alarm({0x00, 0x00, 0xFF}, bcd_24, sunday_noon) == at(sunday_noon, 13h));
    CHECK(next_alarm({0xFF, 0x00, 0x13}, bcd_24, sunday_noon) == at(sunday_noon, 13h));
    CHECK(next_alarm({0xFF, 0xFF, 0xFF}, bcd_12, sunday_noon) == sunday_noon + 1s);
}

TEST_CASE("an alarm at no time of day never comes", "[rtc]")
{
    CHECK_FALSE(next_alarm({60, 0, 0}, binary_24, sunday_noon));
    CHECK_FALSE(next_alarm({0, 60, 0xFF}, binary_24, sunday_noon));
    CHECK_FALSE(next_alarm({0, 0, 24}, binary_24, sunday_noon));
    CHECK_FALSE(next_alarm({0, 0, 0}, binary_12, sunday_noon));
    CHECK_FALSE(next_alarm({0, 0, 13}, binary_12, sunday_noon));
}
