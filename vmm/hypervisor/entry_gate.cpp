#include "vmm/hypervisor/entry_gate.hpp"

#include <thread>

namespace vmm {

void EntryGate::Door::wait()
{
    do {
        leave();
        gate_.closed_.wait(true);
        inside_.store(true);
    } while (gate_.closed_.load());
}

void EntryGate::add(Door& door)
{
    std::lock_guard const guard{lock_};
    doors_.push_back(&door);
}

void EntryGate::remove(Door& door)
{
    std::lock_guard const guard{lock_};
    std::erase(doors_, &door);
}

/// A vCPU that has been let in before it could see that the gate is closed is kicked: its run() returns, also when it
/// has not begun yet.
EntryGate::Closed::Closed(EntryGate& gate) : gate_{gate}, lock_{gate.lock_}
{
    gate_.closed_.store(true);
    for (auto* const door : gate_.doors_) {
        if (door->inside_.load()) door->vcpu_.kick();
    }
    for (auto const* const door : gate_.doors_) {
        while (door->inside_.load())
            std::this_thread::yield(); // for as long as a vCPU takes to come out
    }
}

EntryGate::Closed::~Closed()
{
    gate_.closed_.store(false);
    gate_.closed_.notify_all();
}

} // namespace vmm
