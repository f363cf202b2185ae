/// How the RTC's registers spell a time: BCD or binary, 24 hours or twice 12.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace devices {

struct RtcFormat {
    bool binary;
    bool hours_24;
};

/// Register bytes, in the spelling of some RtcFormat.
struct RtcCalendar {
    std::uint8_t second;
    std::uint8_t minute;
    std::uint8_t hour;
    std::uint8_t weekday; ///< Sunday is 1
    std::uint8_t day;
    std::uint8_t month;
    std::uint8_t year;
    std::uint8_t century;
};

/// Likewise; a byte with its two highest bits set matches anything.
struct RtcAlarm {
    std::uint8_t second;
    std::uint8_t minute;
    std::uint8_t hour;
};

[[nodiscard]] RtcCalendar to_calendar(std::chrono::sys_seconds time, RtcFormat format);

/// Takes any bytes: what is no date becomes the nearest one. The weekday follows from the date and is not looked at.
[[nodiscard]] std::chrono::sys_seconds from_calendar(RtcCalendar const& calendar, RtcFormat format);

/// The first time later than `after` that the alarm matches; none when it is no time of day.
[[nodiscard]] std::optional<std::chrono::sys_seconds> next_alarm(RtcAlarm const& alarm, RtcFormat format,
                                                                 std::chrono::sys_seconds after);

} // namespace devices
