#include "devices/vmbus/services/time_sync.hpp"

#include <array>
#include <ctime>

namespace devices::vmbus {

namespace {

using namespace std::chrono_literals;

constexpr ic::Version reference_time_since{4, 0};
constexpr std::array<ic::Version, 3> versions{{{1, 0}, {3, 0}, reference_time_since}};

/// From 1601 to 1970.
constexpr std::uint64_t epoch_100ns = 116'444'736'000'000'000;

std::chrono::nanoseconds read_clock(clockid_t clock)
{
    timespec now{};
    clock_gettime(clock, &now);
    return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
}

std::chrono::nanoseconds reference(TimeReading const& reading)
{
    return std::chrono::nanoseconds{reading.reference * 100};
}

std::uint64_t since_1601(std::chrono::nanoseconds wall)
{
    return epoch_100ns + static_cast<std::uint64_t>(wall.count() / 100);
}

constexpr ServiceKind kind{"time synchronisation", hv::vmbus::guid("9527e630-d0ae-497b-adce-e80ab0175caf"),
                           hv::vmbus::guid("2dd1ce17-079e-403c-b352-a1921ee207ee"), ic::MessageType::TimeSync,
                           versions};

} // namespace

TimeReading read_host_clocks(std::function<std::uint64_t()> const& reference)
{
    TimeReading now;
    now.monotonic = read_clock(CLOCK_MONOTONIC);
    now.boot = read_clock(CLOCK_BOOTTIME);
    now.reference = reference();
    now.wall = read_clock(CLOCK_REALTIME);
    return now;
}

TimeSyncService::TimeSyncService(hv::vmbus::Executor& executor, std::function<TimeReading()> clock)
    : Service{kind, executor}, clock_{std::move(clock)}
{}

void TimeSyncService::ready(Line& line, DeferredCalls&)
{
    state_.with(line).sync_due = true;
    tell(line, clock_());
    tick_after(line, period);
}

void TimeSyncService::tick(Line& line, DeferredCalls&)
{
    auto const now = clock_();
    auto& state = state_.with(line);
    if (jumped(state.last, now)) state.sync_due = true;
    tell(line, now);
    tick_after(line, period);
}

/// A host that slept has a boot time ahead of its monotonic time; a clock that was set moves against the boot time;
/// the reference time of a guest that was paused has stood still.
bool TimeSyncService::jumped(TimeReading const& last, TimeReading const& now)
{
    auto const slept = (now.boot - now.monotonic) - (last.boot - last.monotonic);
    auto const set = (now.wall - now.boot) - (last.wall - last.boot);
    auto const paused = (now.monotonic - reference(now)) - (last.monotonic - reference(last));
    return std::chrono::abs(slept) >= jump || std::chrono::abs(set) >= jump || std::chrono::abs(paused) >= jump;
}

void TimeSyncService::tell(Line& line, TimeReading const& now)
{
    auto& state = state_.with(line);
    auto const set = state.sync_due;
    auto const flags = set ? ic::time_flags::sync : ic::time_flags::sample;
    bool asked = false;
    if (line.version() >= reference_time_since) {
        ic::ReferenceTimeSample message{};
        message.host_time = since_1601(now.wall);
        message.reference_time = now.reference;
        message.flags = flags;
        asked = ask(line, std::as_bytes(std::span{&message, 1}));
    } else {
        ic::TimeSample message{};
        message.host_time = since_1601(now.wall);
        message.flags = flags;
        asked = ask(line, std::as_bytes(std::span{&message, 1}));
    }
    state.last = now;
    if (!asked) return;
    state.sync_due = false; // else with the next tick
    ++(set ? state.syncs : state.samples);
}

void TimeSyncService::inspect_more(Line const& line, hv::Inspector& inspector) const
{
    show(inspector, state_.with(line));
}

/// A guest that was restored has stood still, and may be with another host: it sets its clock.
void TimeSyncService::visit_more(Line& line, hv::StateVisitor& visitor)
{
    auto& state = state_.with(line);
    hv::visit(visitor, "time", state);
    if (visitor.restores()) state.sync_due = true;
}

} // namespace devices::vmbus
