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
        changed_.notify_all();
    }
    finish(refused, false);
}

void VpRequests::wake()
{
    std::lock_guard const guard{lock_};
    changed_.notify_all();
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
    {
        std::lock_guard const guard{lock_};
        if (!open_ || errands_.size() == most_errands) return false;
        errands_.push_back(std::move(work));
        waiting_.store(true);
        changed_.notify_all();
    }
    control_.kick();
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
            asker.changed_.notify_all(); // under the lock: afterwards the asker may be gone
        }
        request = next;
    }
}

bool VpRequests::accept(Request& request)
{
    {
        std::lock_guard const guard{lock_};
        if (!open_) return false;
        queue_.push(request);
        waiting_.store(true);
        changed_.notify_all(); // the VP may be waiting for another
    }
    control_.kick();
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
            changed_.wait(guard);
        }
    }
    return request.state == Request::State::Done;
}

} // namespace hv
