#include "hv/partition/monitor_scanner.hpp"

#include "hv/abi/port.hpp"
#include "hv/partition/communication.hpp"
#include "hv/partition/partition.hpp"

#include <algorithm>
#include <bit>
#include <mutex>
#include <new>
#include <span>
#include <utility>

namespace hv {

namespace {

using Duration = MonitorScanner::Duration;
using Time = MonitorScanner::Time;

template <typename Word>
Word load(Word const& word)
{
    return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}

/// Calls visit(n) for each bit that is set.
template <typename Visit>
void for_each_bit(std::uint32_t bits, Visit visit)
{
    for (; bits != 0; bits &= bits - 1)
        visit(static_cast<std::size_t>(std::countr_zero(bits)));
}

Duration latency_of(std::uint16_t hint)
{
    constexpr std::chrono::nanoseconds unit{100};
    if (hint == 0) return MonitorScanner::default_latency;
    return std::max<Duration>(hint * unit, MonitorScanner::shortest_interval);
}

/// The lowest hint of a group's triggers (§14.8.10), whether they are used or not.
Duration latency_of_group(abi::MonitorPage const& page, std::size_t group)
{
    std::uint16_t lowest = 0;
    for (auto const& hint : page.latency[group]) {
        auto const value = load(hint);
        if (value != 0 && (lowest == 0 || value < lowest)) lowest = value;
    }
    return latency_of(lowest);
}

abi::MonitorParameter parameter(abi::MonitorPage const& page, std::size_t group, std::size_t trigger)
{
    auto const* const word = reinterpret_cast<std::uint64_t const*>(&page.parameter[group][trigger]);
    return std::bit_cast<abi::MonitorParameter>(load(*word));
}

bool well_formed(abi::MonitorParameter const& event)
{
    return event.reserved == 0 && (event.connection_id & abi::reserved_id_bits) == 0;
}

/// Whether a trigger of an enabled group names one of the sender's connections.
bool has_open_trigger(abi::MonitorPage const& page, std::uint32_t enabled, Partition& sender)
{
    auto const open = [&](std::size_t group, std::size_t trigger) {
        auto const event = parameter(page, group, trigger);
        return well_formed(event) && sender.connections().find(event.connection_id) != 0;
    };
    for (std::size_t group = 0; group < abi::monitor_groups; ++group) {
        if ((enabled >> group & 1) == 0) continue;
        for (std::size_t trigger = 0; trigger < abi::monitor_triggers; ++trigger) {
            if (open(group, trigger)) return true;
        }
    }
    return false;
}

/// The next point of a grid that all pages share, so that many of them make for no more wake-ups than one.
Time on_grid(Time time, Duration grid)
{
    return Time{(time.time_since_epoch() + grid - Duration{1}) / grid * grid};
}

/// The grid for looks at such intervals: a power of two times the shortest.
Duration grid_of(Duration interval)
{
    constexpr auto unit = MonitorScanner::shortest_interval;
    auto const units = static_cast<std::uint64_t>(std::max(interval / unit, Duration::rep{1}));
    return unit * static_cast<Duration::rep>(std::bit_floor(units));
}

} // namespace

void MonitorScanner::set_host(MonitorHost* host)
{
    host_.store(host, std::memory_order_release);
}

bool MonitorScanner::start(std::shared_ptr<MonitoredPage> page, Partition& sender)
{
    std::unique_ptr<Watch> watch{new (std::nothrow) Watch};
    if (!watch) return false;
    watch->page = std::move(page);
    watch->sender = &sender;
    std::lock_guard const guard{lock_};
    try {
        watches_.push_back(std::move(watch));
    } catch (std::bad_alloc const&) {
        return false;
    }
    return true;
}

void MonitorScanner::stop(MonitoredPage const& page)
{
    std::lock_guard const guard{lock_};
    std::erase_if(watches_, [&page](auto const& watch) { return watch->page.get() == &page; });
}

void MonitorScanner::stop_all(Partition const& sender)
{
    std::lock_guard const guard{lock_};
    std::erase_if(watches_, [&sender](auto const& watch) { return watch->sender == &sender; });
}

void MonitorScanner::hold(Partition& sender)
{
    std::lock_guard const guard{lock_};
    sender.monitors().held = true;
}

void MonitorScanner::release(Partition& sender)
{
    {
        std::lock_guard const guard{lock_};
        sender.monitors().held = false;
    }
    scan_soon();
}

void MonitorScanner::scan_soon() const
{
    if (auto* const world = host()) world->scan_soon();
}

void MonitorScanner::wake(Partition& sender)
{
    if (!sender.monitors().dozing.exchange(false)) return;
    {
        std::lock_guard const guard{lock_};
        for (auto const& watch : watches_) {
            if (watch->sender != &sender || !watch->dozing) continue;
            watch->due = std::min(watch->due, watch->looked + shortest_doze);
            watch->interval = first_doze;
        }
    }
    scan_soon();
}

std::optional<Time> MonitorScanner::scan(Time now)
{
    for (std::size_t i = 0;; ++i) {
        Ripe ripe;
        Partition* sender = nullptr;
        std::optional<Partition::Visit> visit; // the sender may be removed once the lock is let go
        {
            std::lock_guard const guard{lock_};
            if (i >= watches_.size()) break;
            auto& watch = *watches_[i];
            if (watch.due > now || watch.sender->monitors().held) continue;
            look(watch, now, ripe);
            if (ripe.count == 0) continue;
            sender = watch.sender;
            visit.emplace(*sender);
        }
        signal_ripe(*sender, ripe);
    }

    std::lock_guard const guard{lock_};
    std::optional<Time> next;
    for (auto const& watch : watches_) {
        if (!watch->sender->monitors().held) next = std::min(next.value_or(Time::max()), watch->due);
    }
    return next;
}

/// A trigger is armed when it is first seen pending, and signalled when it is found armed at least its latency later.
/// Guest and scanner may change the words at the same time: each change is one atomic AND or OR of the bits meant.
bool MonitorScanner::look_at_group(Watch& watch, std::size_t group, Time now, Time& next, Ripe& ripe)
{
    auto& page = watch.page->content();
    auto& word = page.trigger_group[group];
    auto const seen = load(word);
    auto const pending = static_cast<std::uint32_t>(seen);
    auto const armed = static_cast<std::uint32_t>(seen >> 32);
    auto& ripe_at = watch.ripe_at[group];

    if (auto const stale = armed & ~pending; stale != 0)
        __atomic_fetch_and(&word, ~(std::uint64_t{stale} << 32), __ATOMIC_SEQ_CST);
    if (auto const fresh = pending & ~armed; fresh != 0) {
        __atomic_fetch_or(&word, std::uint64_t{fresh} << 32, __ATOMIC_SEQ_CST);
        for_each_bit(fresh, [&](std::size_t n) {
            ripe_at[n] = now + latency_of(load(page.latency[group][n]));
            next = std::min(next, ripe_at[n]);
        });
    }
    std::uint32_t due = 0;
    for_each_bit(pending & armed, [&](std::size_t n) {
        if (ripe_at[n] <= now)
            due |= 1U << n;
        else
            next = std::min(next, ripe_at[n]);
    });
    if (due != 0) {
        auto const taken = ~(std::uint64_t{due} << 32 | due);
        auto const old = static_cast<std::uint32_t>(__atomic_fetch_and(&word, taken, __ATOMIC_SEQ_CST));
        for_each_bit(due & old, [&](std::size_t n) { ripe.events[ripe.count++] = parameter(page, group, n); });
    }
    return pending != 0;
}

void MonitorScanner::look(Watch& watch, Time now, Ripe& ripe)
{
    auto& page = watch.page->content();
    watch.looked = now;
    auto const enabled = load(page.trigger_state) & abi::monitor_group_enable;
    if (enabled == 0) return doze(watch, now);

    auto hint = Duration::max();
    auto next = Time::max();
    bool active = false;
    for_each_bit(enabled, [&](std::size_t group) {
        hint = std::min(hint, latency_of_group(page, group));
        active |= look_at_group(watch, group, now, next, ripe);
    });

    auto const longest = std::max<Duration>(hint, idle_interval);
    if (!active && (watch.dozing || watch.interval >= longest) && !has_open_trigger(page, enabled, *watch.sender))
        return doze(watch, now);

    if (active || watch.dozing)
        watch.interval = hint;
    else
        watch.interval = std::min(2 * watch.interval, longest);
    if (watch.dozing) {
        watch.dozing = false;
        __atomic_fetch_and(&page.trigger_state, ~abi::monitor_disabled, __ATOMIC_SEQ_CST);
    }
    auto wait = watch.interval;
    if (next != Time::max()) wait = std::min(wait, std::max<Duration>(next - now, shortest_interval));
    auto const rest = rest_per_event * static_cast<Duration::rep>(ripe.count * watches_.size());
    watch.due = on_grid(now + std::max<Duration>(wait, rest), active ? shortest_interval : grid_of(watch.interval));
}

void MonitorScanner::doze(Watch& watch, Time now)
{
    watch.interval = watch.dozing ? std::min<Duration>(2 * watch.interval, last_doze) : first_doze;
    watch.dozing = true;
    watch.due = on_grid(now + watch.interval, grid_of(watch.interval));
    __atomic_fetch_or(&watch.page->content().trigger_state, abi::monitor_disabled, __ATOMIC_SEQ_CST);
    watch.sender->monitors().dozing.store(true);
}

/// As if the sender had called HvSignalEvent; an error makes it a no-op (§14.5.3).
void MonitorScanner::signal_ripe(Partition& sender, Ripe const& ripe)
{
    if (!sender.rights().has(Privilege::SignalEvents)) return;
    for (auto const& event : std::span{ripe.events}.first(ripe.count)) {
        if (well_formed(event))
            (void)communication::signal(sender, ConnectionId{event.connection_id}, event.flag_number);
    }
}

} // namespace hv
