/// Serves a channel in turns: on the thread of whoever signals, as long as that is short, and on a runner beyond
/// that.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/vmbus/channel/turn.hpp"
#include "hv/base/quiesce.hpp"
#include "hv/vmbus/executor.hpp"

#include <atomic>
#include <cstdint>
#include <memory>

namespace devices::vmbus {

/// What a channel device gives its worker to call.
class Served {
  public:
    Served() = default;
    Served(Served const&) = delete;
    Served& operator=(Served const&) = delete;
    virtual ~Served() = default;

    enum class Left {
        Nothing, ///< packets that come from now on are signalled
        Some,    ///< the turn was over first, or the runner's thread is to go on
    };
    /// Serves packets until none is left or the turn is over. On one thread at a time; no lock of the worker is held.
    [[nodiscard]] virtual Left serve(Turn& turn) = 0;
    /// What must live for a turn on the runner. Not while this is being constructed.
    [[nodiscard]] virtual std::weak_ptr<void> owner() = 0;
};

/// One of a channel's, callable from any thread. However often it is signalled, one thread at a time serves, and one
/// task at most waits on the runner; nobody who signals waits for the thread that serves.
class ChannelWorker {
  public:
    /// `served` has it as a member; `runner` outlives both.
    ChannelWorker(Served& served, hv::vmbus::Runner& runner, TurnLimits limits)
        : ChannelWorker{served, runner, runner, limits}
    {}
    /// Nothing is served on the thread of `shared` but what `runner` brings there.
    ChannelWorker(Served& served, hv::vmbus::Runner& runner, hv::vmbus::Runner const& shared, TurnLimits limits)
        : served_{served}, runner_{runner}, shared_{shared}, limits_{limits}
    {}
    ChannelWorker(ChannelWorker const&) = delete;
    ChannelWorker& operator=(ChannelWorker const&) = delete;

    /// There may be something to serve. Takes a turn on this thread, unless another thread does or this is the
    /// runner's or the shared one, which has others to serve as well.
    void signal();
    /// The same, on the runner.
    void post();

    /// From now on no turn begins, and one under way ends with its present packet. Signals are remembered. Nests.
    void hold();
    /// Undoes one `hold`; what has come meanwhile is served on the runner.
    void release();

    /// `hold` for as long as the device is quiesced: a turn that is under way keeps `busy`. Does not nest.
    void quiesce(hv::StillBusy busy);
    /// Undoes it. Does nothing when it was not called.
    void resume();
    [[nodiscard]] bool quiesced() const;

    /// Holds a worker while it lives: whoever wants the device's lock then waits for one packet at most.
    class Hold {
      public:
        explicit Hold(ChannelWorker& worker) : worker_{worker} { worker_.hold(); }
        Hold(Hold const&) = delete;
        Hold& operator=(Hold const&) = delete;
        ~Hold() { worker_.release(); }

      private:
        ChannelWorker& worker_;
    };

  private:
    enum class State : std::uint32_t {
        Idle,
        Serving,
        ServingSignalled, ///< and signalled again since the thread looked last
        Posted,           ///< a task waits on the runner
        Held,             ///< there is something to do, which waits for `release`
    };

    struct Quiescing {
        bool quiesced = false;
        hv::StillBusy busy{}; ///< until the turn under way ends
    };

    [[nodiscard]] bool enter(State wanted);
    void take_turn(bool on_runner);
    [[nodiscard]] bool end_held();
    void leave(State state);
    void tell_holders();
    [[nodiscard]] bool serving() const;
    void enqueue();
    void run_posted();

    Served& served_;
    hv::vmbus::Runner& runner_;
    hv::vmbus::Runner const& shared_;
    TurnLimits const limits_;
    std::atomic<State> state_{State::Idle};
    std::atomic<unsigned> holds_{0};
    devices::Guarded<Quiescing, devices::LockRank::Leaf> quiescing_; ///< last in every order
};

} // namespace devices::vmbus
