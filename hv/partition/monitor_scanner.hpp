/// Looks at monitor pages and signals the events that are pending in them (TLFS 2.0a §14.5, 6.0b §11.7). It has no
/// thread: whoever implements MonitorHost calls `scan` when it is due.
#pragma once

#include "hv/abi/monitor.hpp"
#include "hv/base/sync.hpp"
#include "hv/monitor/monitor_host.hpp"
#include "hv/monitor/monitored_page.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace hv {

class Partition;

class MonitorScanner {
  public:
    using Clock = std::chrono::steady_clock;
    using Time = Clock::time_point;
    using Duration = Clock::duration;

    /// Latency hints below it are taken for it: what bounds the cost of a busy page.
    static constexpr Duration shortest_interval = std::chrono::microseconds{200};
    /// Of triggers without a latency hint.
    static constexpr Duration default_latency = std::chrono::milliseconds{1};
    /// What looks that find nothing pending back off to, unless the hint is longer.
    static constexpr Duration idle_interval = std::chrono::milliseconds{10};
    /// The same for a page without an enabled group, or whose triggers name no connection: it dozes.
    static constexpr Duration first_doze = std::chrono::milliseconds{8};
    static constexpr Duration last_doze = std::chrono::milliseconds{1024};
    /// What a dozing page is looked at again after at the earliest, though it is asked for.
    static constexpr Duration shortest_doze = std::chrono::milliseconds{1};
    /// A page rests so long for each event that it has signalled, times the number of pages. Signalling takes a
    /// tenth.
    static constexpr Duration rest_per_event = std::chrono::microseconds{25};

    MonitorScanner() = default;
    MonitorScanner(MonitorScanner const&) = delete;
    MonitorScanner& operator=(MonitorScanner const&) = delete;

    /// Called before anything else, and with nullptr when the host goes; no monitor page can be made without one.
    void set_host(MonitorHost* host);
    [[nodiscard]] MonitorHost* host() const { return host_.load(std::memory_order_acquire); }

    /// Begins to look at a page, signalling on behalf of `sender`. False when the host has no memory. The caller asks
    /// for a scan afterwards, once it holds no lock.
    [[nodiscard]] bool start(std::shared_ptr<MonitoredPage> page, Partition& sender);
    /// Afterwards the page is not touched any more. An event may still be on its way (Partition::Visit). Does nothing
    /// for a page that is not looked at.
    void stop(MonitoredPage const& page);
    /// The same for all pages of a sender, which is being removed.
    void stop_all(Partition const& sender);
    /// No page is looked at on behalf of this sender when it returns, nor before `release`: what is pending waits.
    void hold(Partition& sender);
    void release(Partition& sender);
    void scan_soon() const;

    /// Looks at a partition's dozing pages again, soon: its guest has signalled, or made a connection.
    void wake(Partition& sender);

    /// Looks at every page whose time has come. Returns when to come again; nothing when no page is
    /// watched, or all are held. One
    /// thread at a time, no lock held. Handlers of the root's ports run on this thread.
    std::optional<Time> scan(Time now);

  private:
    static constexpr std::size_t all_triggers = abi::monitor_groups * abi::monitor_triggers;

    struct Watch {
        std::shared_ptr<MonitoredPage> page;
        Partition* sender = nullptr;
        Time due{};
        Time looked{}; ///< the last time
        Duration interval = shortest_interval;
        bool dozing = false;
        std::array<std::array<Time, abi::monitor_triggers>, abi::monitor_groups> ripe_at{};
    };

    /// The events that a look at one page has found to be due.
    struct Ripe {
        std::array<abi::MonitorParameter, all_triggers> events;
        std::size_t count = 0;
    };

    // All of these are called with the lock held.
    void look(Watch& watch, Time now, Ripe& ripe);
    /// Whether anything is pending; `next` is brought forward to when an armed trigger will be ripe.
    static bool look_at_group(Watch& watch, std::size_t group, Time now, Time& next, Ripe& ripe);
    static void doze(Watch& watch, Time now);

    static void signal_ripe(Partition& sender, Ripe const& ripe);

    std::atomic<MonitorHost*> host_{nullptr};
    Mutex<LockRank::Leaf> lock_;
    std::vector<std::unique_ptr<Watch>> watches_; // guarded by lock_
};

} // namespace hv
