/// How a VMBus interrupts its guest: the channel's number as an event flag of the VP that it wants (as Linux's
/// vmbus_chan_sched looks for it, from VMBus 2.4 on). One event port for each VP that any channel has chosen.
#pragma once

#include "hv/abi/types.hpp"
#include "hv/partition/partition.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace hv::vmbus {

class VpEvents {
  public:
    explicit VpEvents(std::shared_ptr<Partition> guest);
    ~VpEvents();
    VpEvents(VpEvents const&) = delete;
    VpEvents& operator=(VpEvents const&) = delete;

    /// Makes the VP's port, unless there is one. False when there is no such VP or the guest's pool has no room. On
    /// one thread at a time.
    [[nodiscard]] bool prepare(VpIndex vp);

    /// Of a prepared VP. From any thread. A guest whose SynIC is disabled misses it.
    void signal(VpIndex vp, std::uint32_t flag) const;

  private:
    std::shared_ptr<Partition> const guest_;
    std::vector<std::atomic<std::uint32_t>> connections_; ///< the root's, by VP; 0 for none
};

} // namespace hv::vmbus
