#include "hv/vp/vp_requests.hpp"

#include <mutex>
#include <utility>

namespace hv {

void VpRequests::Queue::push(Request& request)
{
    (last ? last->next : first) = &request;
    last = &request;
}

bool VpRequests::Queue::remove(Request& request)
{
    Request* before = nullptr;
    for (auto* at = first; at; before = at, at = at->next) {
        if (at != &request) continue;
        (before ? before->next : first) = at->next;
        if (last == at) last = before;
        return true;
    }
    return false;
}

void VpRequests::open()
{
    std::lock_guard const guard{lock_};
    open_ = true;
}

void VpRequests::close()
{
    Queue refused;
    std::vector<std::function<void()>> forgotten;
    {
        std::lock_guard const guard{lock_};
        open_ = false;
        refused = std::exchange(queue_, {});
        forgotten.swap(errands_);
    }
    changed_.notify_one();
    finish(refused, false);
}

void VpRequests::wake()
{
    {
        std::lock_guard const guard{lock_}; // whoever looks before it waits has seen what is new, or hears of it
    }
    changed_.notify_one();
}

/// Nothing is left undone when it ends: whoever asked did not kick a VP that waits.
void VpRequests::wait_until(Until const& until)
{
    std::unique_lock guard{lock_};
    until_ = until;
    while (visited_ || has_work() || !until.done()) {
        if (visited_ || !has_work()) {
            lock_.wait(changed_);
            continue;
        }
        until_ = {};
        guard.unlock();
        serve();
        guard.lock();
        until_ = until;
    }
    until_ = {};
}

/// One visitor at a time, and none ahead of what waits already, or of the thread that is to go on: visitors that take
/// turns do not hold it up.
bool VpRequests::begin_visit()
{
    std::lock_guard const guard{lock_};
    if (!open_ || !until_.is_done || visited_ || has_work() || until_.done()) return false;
    visited_ = true;
    return true;
}

/// The VP's thread sleeps on unless there is something for it to do.
void VpRequests::end_visit()
{
    bool goes_on = false;
    {
        std::lock_guard const guard{lock_};
        visited_ = false;
        goes_on = has_work() || !open_ || until_.done();
    }
    if (goes_on) changed_.notify_one();
}

/// That there is work. A VP that waits hears of it, one that runs is kicked.
void VpRequests::tell(std::unique_lock<Mutex<LockRank::Leaf>> guard)
{
    waiting_.store(true);
    bool const waits = until_.is_done != nullptr;
    guard.unlock();
    changed_.notify_one(); // also of one that waits for another
    if (!waits) control_.kick();
}

/// No more than what waits now: each asker waits, so there are at most as many as VPs, and few errands.
void VpRequests::serve()
{
    Queue waiting;
    std::vector<std::function<void()>> errands;
    {
        std::lock_guard const guard{lock_};
        waiting = std::exchange(queue_, {});
        errands.swap(errands_);
        waiting_.store(false);
    }
    finish(waiting, true);
    for (auto const& errand : errands)
        errand();
}

bool VpRequests::have_done_later(std::function<void()> work)
{
    std::unique_lock guard{lock_};
    if (!open_ || errands_.size() == most_errands) return false;
    errands_.push_back(std::move(work));
    tell(std::move(guard));
    return true;
}

/// A request is gone as soon as its asker learns the outcome.
void VpRequests::finish(Queue requests, bool perform)
{
    for (auto* request = requests.first; request;) {
        auto* const next = request->next;
        if (perform) request->work(request->argument);
        auto& asker = request->asker;
        {
            std::lock_guard const guard{asker.lock_};
            request->state = perform ? Request::State::Done : Request::State::Refused;
            asker.changed_.notify_one(); // under the lock: afterwards the asker may be gone
        }
        request = next;
    }
}

bool VpRequests::accept(Request& request)
{
    std::unique_lock guard{lock_};
    if (!open_) return false;
    queue_.push(request);
    tell(std::move(guard));
    return true;
}

bool VpRequests::withdraw(Request& request)
{
    std::lock_guard const guard{lock_};
    return queue_.remove(request);
}

bool VpRequests::wait_for(Request& request, VpRequests& target)
{
    bool given_up = false;
    std::unique_lock guard{lock_};
    while (request.state == Request::State::Waiting) {
        if (has_work()) {
            guard.unlock();
            serve();
            guard.lock();
        } else if (!open_ && !given_up) {
            guard.unlock();
            if (target.withdraw(request)) return false;
            given_up = true; // it is being done: that ends soon
            guard.lock();
        } else {
            lock_.wait(changed_);
        }
    }
    return request.state == Request::State::Done;
}

} // namespace hv
