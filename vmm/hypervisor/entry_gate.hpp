/// Keeps a machine's vCPUs out of the guest for a moment, while what they must not see half done is done.
#pragma once

#include "vmm/hypervisor/vcpu.hpp"

#include <atomic>
#include <mutex>
#include <vector>

namespace vmm {

/// A vCPU that is outside, for an exit of its own, is not waited for, and may be the one that closes it.
class EntryGate {
  public:
    EntryGate() = default;
    EntryGate(EntryGate const&) = delete;
    EntryGate& operator=(EntryGate const&) = delete;

    /// One for each vCPU, which it does not outlive. Made before any of them runs.
    class Door {
      public:
        Door(EntryGate& gate, Vcpu& vcpu) : gate_{gate}, vcpu_{vcpu} { gate_.add(*this); }
        Door(Door const&) = delete;
        Door& operator=(Door const&) = delete;
        ~Door() { gate_.remove(*this); }

        /// On the vCPU's thread, before and after each Vcpu::run. The former waits while the gate is closed.
        void enter()
        {
            inside_.store(true);
            if (gate_.closed_.load()) [[unlikely]]
                wait();
        }
        void leave() { inside_.store(false, std::memory_order_release); }

      private:
        friend class EntryGate;
        void wait();

        EntryGate& gate_;
        Vcpu& vcpu_;
        std::atomic<bool> inside_{false};
    };

    /// While it lives no vCPU is in the guest. From any thread, one at a time; those of others wait.
    class Closed {
      public:
        explicit Closed(EntryGate& gate);
        Closed(Closed const&) = delete;
        Closed& operator=(Closed const&) = delete;
        ~Closed();

      private:
        EntryGate& gate_;
        std::unique_lock<std::mutex> const lock_;
    };

  private:
    void add(Door& door);
    void remove(Door& door);

    std::atomic<bool> closed_{false};
    std::mutex lock_; ///< held while it is closed; the next
    std::vector<Door*> doors_;
};

} // namespace vmm
