/// A guest's balloon, over its memory.
#pragma once

#include "devices/vmbus/balloon/balloon.hpp"
#include "hv/partition/partition.hpp"
#include "hv/vmbus/channel.hpp"
#include "vmm/base/memory_layout.hpp"
#include "vmm/memory/pc_memory.hpp"

#include <cstdint>
#include <memory>
#include <vector>

namespace vmm {

class GuestBalloon final : devices::vmbus::PageTaker {
  public:
    /// Offers it to a guest that may come to have `most` bytes. `bus` and `memory` outlive it.
    GuestBalloon(hv::vmbus::Bus& bus, PcMemory& memory, MemoryLayout const& layout, std::uint64_t most,
                 std::shared_ptr<hv::Partition> partition);

    /// In bytes.
    struct Status {
        bool listens; ///< a driver in the guest does
        std::uint64_t has;
        std::uint64_t wanted;
        bool has_reported;
        std::uint64_t available; ///< by the guest's last report, like the next two
        std::uint64_t committed;
        unsigned pressure_percent;
    };
    [[nodiscard]] Status status() const;

    /// Asks the guest to have so many bytes from now on. Throws UserError when it cannot, HypervisorError when the
    /// host cannot. Not from two threads at once.
    void resize(std::uint64_t bytes);

  private:
    void take(std::vector<devices::vmbus::PageRange>& ranges) override;

    PcMemory& memory_;
    std::shared_ptr<hv::Partition> const partition_;
    std::shared_ptr<devices::vmbus::Balloon> const balloon_;
};

} // namespace vmm
