// What a guest's battery-backed clock shows.
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/cli/testing/puppet.hpp"

#include <chrono>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

using namespace vmm::testing;
using namespace std::chrono_literals;
using Seconds = std::chrono::sys_seconds;

namespace {

/// Five and three quarter hours ahead of UTC, as in Nepal, told without a file (POSIX.1-2017 §8.3).
constexpr auto zone = "PTH-5:45";
constexpr auto ahead = 5h + 45min;

/// TZ for the processes that are started meanwhile.
class TimeZone {
  public:
    TimeZone() { ::setenv("TZ", zone, 1); }
    TimeZone(TimeZone const&) = delete;
    TimeZone& operator=(TimeZone const&) = delete;
    ~TimeZone() { ::unsetenv("TZ"); }
};

Seconds host_time()
{
    return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

/// The last line of the puppet's word "rtc".
Seconds shown(std::string const& output)
{
    std::istringstream line{output.substr(output.rfind("rtc ") + 4)};
    int year = 0;
    unsigned month = 0;
    unsigned day = 0;
    int hour = 0;
    int minute = 0;
    int second = 0;
    line >> year >> month >> day >> hour >> minute >> second;
    REQUIRE(line);
    using namespace std::chrono;
    return sys_days{std::chrono::year{year} / std::chrono::month{month} / std::chrono::day{day}} + hours{hour} +
           minutes{minute} + seconds{second};
}

void check_shown(std::vector<std::string> const& options, std::chrono::seconds offset)
{
    std::vector<std::string> arguments{"run", "--kernel", puppet(), "--memory", "16M", "--cmdline", "rtc power-off"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    auto const before = host_time();
    auto const end = porthole(std::move(arguments));
    auto const after = host_time();
    CHECK(end.status == 0);
    auto const time = shown(end.out) - offset;
    CHECK(time >= before);
    CHECK(time <= after);
}

} // namespace

TEST_CASE("the battery-backed clock shows UTC, or local time when it is asked for", "[binary][rtc]")
{
    if (!can_run()) return;
    TimeZone const nepal;
    check_shown({}, 0s);
    check_shown({"--rtc", "utc"}, 0s);
    check_shown({"--rtc", "localtime"}, ahead);
}

TEST_CASE("a guest that starts anew in the jail still has the local time", "[binary][rtc]")
{
    if (!can_run()) return;
    TimeZone const nepal;
    auto const before = host_time();
    auto const end = porthole({"run", "--kernel", puppet(), "--memory", "16M", "--on-reboot", "restart", "--rtc",
                               "localtime", "--cmdline", "rtc triple-fault"}); // five starts, and the end
    auto const after = host_time();
    auto const time = shown(end.out) - ahead;
    CHECK(time >= before);
    CHECK(time <= after);
    CHECK(end.out.find("rtc ") != end.out.rfind("rtc "));
}
