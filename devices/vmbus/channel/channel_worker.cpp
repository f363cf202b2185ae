#include "devices/vmbus/channel/channel_worker.hpp"

#include <utility>

namespace devices::vmbus {

void ChannelWorker::signal()
{
    if (shared_.runs_here()) return post();
    if (enter(State::Serving)) take_turn(false);
}

void ChannelWorker::post()
{
    if (enter(State::Posted)) enqueue();
}

/// True when the caller has to go on in the wanted state; otherwise somebody else will look after this call. Also
/// what does not change the state is written, so that whoever serves sees what this thread has written before.
bool ChannelWorker::enter(State wanted)
{
    auto state = State::Idle;
    for (;;) {
        bool const resting = state == State::Idle || state == State::Held;
        auto const next = resting ? wanted : state == State::Serving ? State::ServingSignalled : state;
        if (state_.compare_exchange_weak(state, next)) return resting;
    }
}

void ChannelWorker::take_turn(bool on_runner)
{
    Turn turn{limits_, holds_, on_runner};
    for (;;) {
        auto const left = holds_.load() == 0 ? served_.serve(turn) : Served::Left::Some;
        auto state = State::Serving;
        if (left == Served::Left::Nothing && state_.compare_exchange_strong(state, State::Idle)) {
            tell_holders();
            return;
        }
        if (holds_.load() != 0) {
            if (end_held()) return;
        } else if (left == Served::Left::Some || turn.over()) {
            leave(State::Posted);
            return enqueue();
        }
        state_.exchange(State::Serving);
        turn.count_packet(); // a guest may signal without end as well
    }
}

/// False when the hold was released meanwhile, and this thread has to go on.
bool ChannelWorker::end_held()
{
    leave(State::Held);
    if (holds_.load() != 0) return true;
    auto state = State::Held;
    return !state_.compare_exchange_strong(state, State::Serving);
}

void ChannelWorker::leave(State state)
{
    state_.exchange(state);
    tell_holders();
}

/// A turn has ended.
void ChannelWorker::tell_holders()
{
    if (holds_.load() == 0) return;
    hv::StillBusy ended; // let go of without the lock
    ended = std::move(quiescing_.lock()->busy);
}

void ChannelWorker::enqueue()
{
    runner_.run([owner = served_.owner(), this] {
        if (auto const alive = owner.lock()) run_posted();
    });
}

void ChannelWorker::run_posted()
{
    state_.exchange(State::Serving);
    take_turn(true);
}

void ChannelWorker::hold()
{
    holds_.fetch_add(1);
}

void ChannelWorker::release()
{
    if (holds_.fetch_sub(1) != 1) return;
    auto state = State::Held;
    if (state_.compare_exchange_strong(state, State::Posted)) enqueue();
}

bool ChannelWorker::serving() const
{
    auto const state = state_.load();
    return state == State::Serving || state == State::ServingSignalled;
}

/// A turn that is seen to be under way here sees the hold when it ends, and then waits for the lock.
void ChannelWorker::quiesce(hv::StillBusy busy)
{
    auto const quiescing = quiescing_.lock();
    if (std::exchange(quiescing->quiesced, true)) return;
    hold();
    if (serving()) quiescing->busy = std::move(busy);
}

bool ChannelWorker::quiesced() const
{
    return quiescing_.lock()->quiesced;
}

void ChannelWorker::resume()
{
    hv::StillBusy forgotten;
    {
        auto const quiescing = quiescing_.lock();
        if (!std::exchange(quiescing->quiesced, false)) return;
        forgotten = std::move(quiescing->busy);
    }
    release();
}

} // namespace devices::vmbus
