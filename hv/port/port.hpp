/// A port: where a connection leads (TLFS 2.0a §14.4, §14.8.6).
#pragma once

#include "hv/abi/port.hpp"
#include "hv/abi/types.hpp"
#include "hv/base/sync.hpp"
#include "hv/monitor/partition_monitors.hpp"
#include "hv/synic/message_queue.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace hv {

class Partition;

/// Takes what arrives at a port of the root partition, on the sender's thread and with no lock held. An event of a
/// monitor page comes on the thread that scans.
class PortHandler {
  public:
    PortHandler() = default;
    PortHandler(PortHandler const&) = delete;
    PortHandler& operator=(PortHandler const&) = delete;
    virtual ~PortHandler() = default;

    /// Asked before each message, with the port's lock held: not to take another lock. While it says no, senders get
    /// InsufficientBuffers, as of a guest's port whose sixteen buffers are in use. Messages of other VPs may be on
    /// their way already.
    [[nodiscard]] virtual bool has_room() const { return true; }
    virtual void on_message(abi::MessageType type, std::span<std::byte const> payload) = 0;
    virtual void on_event(unsigned flag) = 0;
};

/// What a port is made with.
struct PortSpec {
    abi::PortType type{};
    Sint sint{};
    VpIndex target_vp{};
    std::uint16_t base_flag = 0;
    std::uint16_t flag_count = 0;
    std::optional<Gpa> monitor_page{}; ///< of a monitor port; without one, the page shows nowhere in the owner
    PartitionId connection_partition{};
    std::shared_ptr<PortHandler> handler; ///< of a root port; null when the port is a guest's
};

/// Lives in the PortSlab and is never freed while the registry lives, only made again: whoever holds a stale handle
/// finds another generation under the lock. Everything but the lock is guarded by it.
struct Port {
    Mutex<LockRank::Port> lock;
    std::uint64_t generation = 0; ///< of the port that lives here now; PortHandle carries the one it means
    bool alive = false;
    bool connected = false; ///< a port takes one connection at a time (§14.9.3)
    PortId id{};
    Partition* owner = nullptr;
    PortSpec spec;
    std::unique_ptr<PortBuffers> buffers; ///< charged when the port is made, allocated when first needed
    std::unique_ptr<MonitorPort> monitor; ///< of a monitor port
    VpIndex preferred_vp = any_vp;        ///< of a port for HV_ANY_VP (HvPortPropertyPreferredTargetVp, §14.8.7)
    std::uint64_t post_count = 0;         ///< messages accepted since its creation (HvPortPropertyPostCount)
};

} // namespace hv
