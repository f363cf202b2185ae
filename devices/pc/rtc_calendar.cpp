#include "devices/pc/rtc_calendar.hpp"

#include <algorithm>

namespace devices {

using std::chrono::floor;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

namespace {

constexpr std::uint8_t match_any = 0xC0;
constexpr std::uint8_t afternoon = 0x80;
constexpr unsigned no_hour = 24;

std::uint8_t encode(unsigned value, RtcFormat format)
{
    return static_cast<std::uint8_t>(format.binary ? value : value / 10 * 16 + value % 10);
}

unsigned decode(unsigned value, RtcFormat format)
{
    return format.binary ? value : value / 16 * 10 + value % 16;
}

std::uint8_t encode_hour(unsigned hour, RtcFormat format)
{
    if (format.hours_24) return encode(hour, format);
    auto const twelve = encode(hour % 12 == 0 ? 12 : hour % 12, format);
    return static_cast<std::uint8_t>(hour < 12 ? twelve : twelve | afternoon);
}

unsigned decode_hour(unsigned value, RtcFormat format)
{
    if (format.hours_24) return decode(value, format);
    auto const twelve = decode(value & 0x7FU, format);
    if (twelve == 0 || twelve > 12) return no_hour;
    return twelve % 12 + (value & afternoon ? 12 : 0);
}

bool matches(std::optional<unsigned> wanted, std::int64_t is)
{
    return !wanted || *wanted == is;
}

} // namespace

RtcCalendar to_calendar(sys_seconds time, RtcFormat format)
{
    auto const date = floor<std::chrono::days>(time);
    std::chrono::year_month_day const ymd{date};
    std::chrono::hh_mm_ss const clock{time - date};
    auto const years = static_cast<unsigned>(static_cast<int>(ymd.year())) % 10'000;

    return {
        .second = encode(static_cast<unsigned>(clock.seconds().count()), format),
        .minute = encode(static_cast<unsigned>(clock.minutes().count()), format),
        .hour = encode_hour(static_cast<unsigned>(clock.hours().count()), format),
        .weekday = encode(std::chrono::weekday{date}.c_encoding() + 1, format),
        .day = encode(static_cast<unsigned>(ymd.day()), format),
        .month = encode(static_cast<unsigned>(ymd.month()), format),
        .year = encode(years % 100, format),
        .century = encode(years / 100, format),
    };
}

sys_seconds from_calendar(RtcCalendar const& calendar, RtcFormat format)
{
    auto const field = [format](std::uint8_t value, unsigned least, unsigned most) {
        return std::clamp(decode(value, format), least, most);
    };

    auto const years = field(calendar.century, 0, 99) * 100 + field(calendar.year, 0, 99);
    auto const month = std::chrono::year{static_cast<int>(years)} / std::chrono::month{field(calendar.month, 1, 12)};
    auto const last = static_cast<unsigned>((month / std::chrono::last).day());
    sys_days const date{month / std::chrono::day{field(calendar.day, 1, last)}};

    return date + hours{std::min(decode_hour(calendar.hour, format), 23U)} + minutes{field(calendar.minute, 0, 59)} +
           seconds{field(calendar.second, 0, 59)};
}

std::optional<sys_seconds> next_alarm(RtcAlarm const& alarm, RtcFormat format, sys_seconds after)
{
    auto const wanted = [](std::uint8_t byte, unsigned value) {
        return (byte & match_any) == match_any ? std::nullopt : std::optional{value};
    };
    auto const impossible = [](std::optional<unsigned> field, unsigned count) { return field && *field >= count; };
    auto const hour = wanted(alarm.hour, decode_hour(alarm.hour, format));
    auto const minute = wanted(alarm.minute, decode(alarm.minute, format));
    auto const second = wanted(alarm.second, decode(alarm.second, format));

    // A guest must not be able to make us search a whole day, second by second, in vain.
    if (impossible(hour, 24) || impossible(minute, 60) || impossible(second, 60)) return std::nullopt;

    // Skips whole hours and minutes that do not match: some 150 steps at most.
    auto t = after + seconds{1};
    while (t <= after + hours{24}) {
        std::chrono::hh_mm_ss const clock{t - floor<std::chrono::days>(t)};
        if (!matches(hour, clock.hours().count())) {
            t = floor<hours>(t) + hours{1};
        } else if (!matches(minute, clock.minutes().count())) {
            t = floor<minutes>(t) + minutes{1};
        } else if (!matches(second, clock.seconds().count())) {
            t += seconds{1};
        } else {
            return t;
        }
    }
    return std::nullopt;
}

} // namespace devices
