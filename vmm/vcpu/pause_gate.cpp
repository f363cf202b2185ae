#include "vmm/vcpu/pause_gate.hpp"

#include <utility>

namespace vmm {

void PauseGate::expect(unsigned vcpus)
{
    std::lock_guard const guard{lock_};
    running_ = vcpus;
}

void PauseGate::join()
{
    std::lock_guard const guard{lock_};
    ++running_;
}

void PauseGate::leave()
{
    std::unique_lock guard{lock_};
    --running_;
    auto const all_in = take_if_all_in();
    guard.unlock();
    if (all_in) all_in();
}

void PauseGate::close(std::function<void()> all_in)
{
    std::unique_lock guard{lock_};
    closed_.store(true);
    all_in_ = std::move(all_in);
    auto const now = take_if_all_in();
    guard.unlock();
    if (now) now();
}

void PauseGate::open()
{
    std::function<void()> forgotten; // ends without the lock
    std::lock_guard const guard{lock_};
    closed_.store(false);
    forgotten = std::exchange(all_in_, nullptr);
}

void PauseGate::pass(hv::VpRequests& requests, std::atomic<bool> const& stopping)
{
    std::unique_lock guard{lock_};
    if (!closed_.load()) return;
    ++in_;
    auto const all_in = take_if_all_in();
    guard.unlock();
    if (all_in) all_in();

    // Who is counted stays here: an opening that it misses because the gate is closed again is none.
    auto const may_go = [&] { return !closed_.load() || stopping.load(); };
    for (;;) {
        requests.serve_until(may_go);
        guard.lock();
        if (may_go()) break;
        guard.unlock();
    }
    --in_;
}

/// With lock_ held. To be called without it.
std::function<void()> PauseGate::take_if_all_in()
{
    return closed_.load() && in_ == running_ ? std::exchange(all_in_, nullptr) : nullptr;
}

} // namespace vmm
