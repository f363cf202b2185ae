/// Where a machine's vCPU threads wait while it is paused.
#pragma once

#include "hv/vp/vp_requests.hpp"

#include <atomic>
#include <functional>
#include <mutex>

namespace vmm {

/// Closing it does not wait: vCPUs come in when they have finished what they are doing. One that waits here is
/// between two instructions, and goes on serving requests to its VP.
class PauseGate {
  public:
    /// So many vCPU threads begin now; each calls `leave` when it ends.
    void expect(unsigned vcpus);
    /// One more begins, and calls `leave` when it ends. Made by one that is there and not waiting.
    void join();
    void leave();

    /// From now on vCPUs wait, when they are kicked. `all_in` is called once when the last of those that still run is
    /// here, on its thread or by close() itself; not when the gate is opened before that.
    void close(std::function<void()> all_in);
    /// Whoever waits goes on, once its requests are woken (VpRequests::wake).
    void open();
    [[nodiscard]] bool closed() const { return closed_.load(); }

    /// On a vCPU's thread, outside the guest with its registers settled: waits while the gate is closed and
    /// `stopping` false.
    void pass(hv::VpRequests& requests, std::atomic<bool> const& stopping);

  private:
    [[nodiscard]] std::function<void()> take_if_all_in();

    std::atomic<bool> closed_{false}; ///< changes under lock_
    std::mutex lock_;                 // the rest
    unsigned running_ = 0;
    unsigned in_ = 0;
    std::function<void()> all_in_;
};

} // namespace vmm
