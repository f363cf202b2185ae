/// What one VP's thread does for another: a VP's registers are touched by its own thread, so who wants another VP's
/// asks that thread, and waits. When it waits itself, the asker need not wake it, and does the work in its place.
#pragma once

#include "hv/base/interfaces.hpp"
#include "hv/base/sync.hpp"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <type_traits>
#include <vector>

namespace hv {

/// The requests to one VP. While a VP's thread waits for another, it does what others ask of it, so that VPs which
/// ask each other at the same time do not wait for ever.
class VpRequests {
  public:
    explicit VpRequests(VpControl& control) : control_{control} {}
    VpRequests(VpRequests const&) = delete;
    VpRequests& operator=(VpRequests const&) = delete;

    /// The VP's thread is there or will be soon: from now on requests are accepted.
    void open();
    /// The thread will do no more: what waits here is refused, and so is what comes later. If the thread waits for
    /// another VP, it gives up. From any thread, more than once.
    void close();

    /// Whether there may be something to serve.
    [[nodiscard]] bool waiting() const { return waiting_.load(); }
    /// Does what waits, on the VP's own thread with its registers settled.
    void serve();

    /// Has this VP's thread do `work` soon, and does not wait: for somebody who is no VP. False, and never done, when
    /// the VP is closed or has as many of these before it as it takes; `work` is let go undone when it closes. `work`
    /// must not throw or make requests.
    [[nodiscard]] bool have_done_later(std::function<void()> work);

    /// Does what is asked for until `done()`, on the VP's own thread with its registers settled; others may do it in
    /// its place meanwhile, and call `done` then, from their threads. Who changes what that answers calls `wake`.
    template <typename Done>
    void serve_until(Done const& done)
    {
        auto* const argument = static_cast<void const*>(&done);
        wait_until({[](void const* d) { return (*static_cast<Done const*>(d))(); }, argument});
    }
    /// From any thread.
    void wake();

    /// Has the thread of `target`, another VP, do `work`, which must not throw or make requests, or does it while
    /// that thread waits; called on this VP's own thread, whose registers are settled if it has to wait. `target`
    /// stays for as long as this takes. False, and nothing done, when it is closed, or this one while it waits.
    template <typename Work>
    [[nodiscard]] bool have_done(VpRequests& target, Work&& work)
    {
        if (target.begin_visit()) {
            work();
            target.end_visit();
            return true;
        }
        control_.settle();
        auto* const argument = const_cast<void*>(static_cast<void const*>(&work));
        Request request{[](void* w) { (*static_cast<std::remove_reference_t<Work>*>(w))(); }, argument, *this};
        return target.accept(request) && wait_for(request, target);
    }

  private:
    /// Lives on the asking thread's stack until it is done.
    struct Request {
        void (*work)(void*);
        void* argument;
        VpRequests& asker;
        Request* next = nullptr;
        enum class State { Waiting, Done, Refused } state = State::Waiting; // guarded by asker.lock_
    };

    /// In the order of arrival.
    struct Queue {
        Request* first = nullptr;
        Request* last = nullptr;

        void push(Request& request);
        [[nodiscard]] bool remove(Request& request);
    };

    /// What the VP's thread waits for in serve_until.
    struct Until {
        bool (*is_done)(void const*) = nullptr; ///< nullptr: it does not wait
        void const* argument = nullptr;

        [[nodiscard]] bool done() const { return is_done(argument); }
    };

    static constexpr std::size_t most_errands = 8;

    [[nodiscard]] bool has_work() const { return queue_.first || !errands_.empty(); } // with lock_ held
    void wait_until(Until const& until);
    [[nodiscard]] bool begin_visit();
    void end_visit();
    void tell(std::unique_lock<Mutex<LockRank::Leaf>> guard);
    [[nodiscard]] bool accept(Request& request);
    [[nodiscard]] bool withdraw(Request& request);
    [[nodiscard]] bool wait_for(Request& request, VpRequests& target);
    static void finish(Queue requests, bool perform);

    VpControl& control_;
    Mutex<LockRank::Leaf> lock_;
    std::condition_variable changed_;
    Queue queue_;                                // guarded by lock_
    std::vector<std::function<void()>> errands_; // guarded by lock_: what nobody waits for
    Until until_;                                // guarded by lock_
    bool visited_ = false;                       // guarded by lock_: another does the VP's work
    bool open_ = false;                          // guarded by lock_
    std::atomic<bool> waiting_{false};
};

} // namespace hv
