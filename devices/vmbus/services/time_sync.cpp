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

void TimeSyncService::ready(DeferredCalls&)
{
    state_.sync_due = true;
    tell(clock_());
    tick_after(period);
}

void TimeSyncService::tick(DeferredCalls&)
{
    auto const now = clock_();
    if (jumped(now)) state_.sync_due = true;
    tell(now);
    tick_after(period);
}

/// A host that slept has a boot time ahead of its monotonic time; a clock that was set moves against the boot time;
/// the reference time of a guest that was paused has stood still.
bool TimeSyncService::jumped(TimeReading const& now) const
{
    auto const slept = (now.boot - now.monotonic) - (state_.last.boot - state_.last.monotonic);
    auto const set = (now.wall - now.boot) - (state_.last.wall - state_.last.boot);
    auto const paused = (now.monotonic - reference(now)) - (state_.last.monotonic - reference(state_.last));
    return std::chrono::abs(slept) >= jump || std::chrono::abs(set) >= jump || std::chrono::abs(paused) >= jump;
}

void TimeSyncService::tell(TimeReading const& now)
{
    auto const set = state_.sync_due;
    auto const flags = set ? ic::time_flags::sync : ic::time_flags::sample;
    bool asked = false;
    if (version() >= reference_time_since) {
        ic::ReferenceTimeSample message{};
        message.host_time = since_1601(now.wall);
        message.reference_time = now.reference;
        message.flags = flags;
        asked = ask(std::as_bytes(std::span{&message, 1}));
    } else {
        ic::TimeSample message{};
        message.host_time = since_1601(now.wall);
        message.flags = flags;
        asked = ask(std::as_bytes(std::span{&message, 1}));
    }
    state_.last = now;
    if (!asked) return;
    state_.sync_due = false; // else with the next tick
    ++(set ? state_.syncs : state_.samples);
}

void TimeSyncService::inspect_more(hv::Inspector& inspector) const
{
    show(inspector, state_);
}

/// A guest that was restored has stood still, and may be with another host: it sets its clock.
void TimeSyncService::visit_more(hv::StateVisitor& visitor)
{
    hv::visit(visitor, "time", state_);
    if (visitor.restores()) state_.sync_due = true;
}

} // namespace devices::vmbus
