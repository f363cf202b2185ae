/// A run of `porthole run`: its guests, which share one fabric and one process, from their first instruction until
/// the last of them has ended.
#pragma once

#include "hv/partition/registry.hpp"
#include "vmm/console/standard_output.hpp"
#include "vmm/control/control_server.hpp"
#include "vmm/hypervisor/hypervisor.hpp"
#include "vmm/machine/event_loop.hpp"
#include "vmm/machine/guest.hpp"
#include "vmm/machine/monitor_timer.hpp"
#include "vmm/machine/outcome.hpp"
#include "vmm/machine/run_events.hpp"
#include "vmm/options/run_options.hpp"
#include "vmm/trace/trace_log.hpp"

#include <boost/asio/signal_set.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace vmm {

/// Used by one thread, which runs neither guests nor the event loop: it builds, starts and ends guests as events
/// tell.
class Session {
  public:
    /// Text for the user, in whole lines without the last line's end.
    using Say = std::function<void(std::string_view)>;

    /// What keeps the process in bounds.
    struct Confinement {
        std::function<void()> close;                    ///< on the session's thread, before a guest runs
        std::function<void(DiskOptions const&)> permit; ///< a disk to be added; throws UserError when it may not be
    };

    /// Opens the consoles and the control socket. Throws UserError. `options` and `trace`, which may be nullptr, must
    /// outlive this object.
    Session(Hypervisor const& hypervisor, RunOptions const& options, Confinement confinement, TraceLog* trace,
            GuestHelpers const& helpers, Say say);
    ~Session();

    /// Builds all guests, then runs them until the last has ended. The exit status: the highest of theirs. Throws
    /// UserError or HypervisorError when one cannot be built; then none has run.
    [[nodiscard]] int run();

  private:
    void build_all();
    [[nodiscard]] hv::PartitionId parent_of(Guest const& guest) const;
    [[nodiscard]] Guest const* named(std::string const& name) const;

    void open_control(std::string const& path);
    void wait_for_signal();
    void handle(RunEvent const& event);
    void on_ended(GuestEnded const& event);
    void on_crashed(GuestCrashed const& event);
    void on_signal(int number);

    /// Starts who need not wait any longer, and gives up those who would wait for ever.
    void settle();
    [[nodiscard]] bool may_start(Guest const& guest) const;
    [[nodiscard]] bool start(Guest& guest);
    [[nodiscard]] Guest const* hopeless_wait(Guest const& guest) const;

    void end(Guest& guest, Outcome outcome);
    void end_all(Outcome const& outcome);
    void report(Guest const& guest, Outcome const& outcome);
    [[nodiscard]] bool all_ended() const;

    Say const say_;
    Confinement const confinement_;
    EventLoop loop_;
    hv::PartitionRegistry registry_;
    MonitorTimer monitor_timer_;
    RunEvents events_;
    StandardOutput standard_output_;
    boost::asio::signal_set signals_;
    std::vector<std::unique_ptr<Guest>> guests_;
    std::optional<control::ControlServer> control_;
    std::stop_source opening_; ///< stops the opening of disks, when all is to end
    std::atomic<int> first_signal_{0};
    bool ending_ = false;               ///< the user wants all guests to end: none starts any more
    std::atomic<bool> flushing_{false}; ///< all have ended, and their consoles are written out
    int status_ = 0;
};

} // namespace vmm
