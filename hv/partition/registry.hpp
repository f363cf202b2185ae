/// All partitions of a process, and the fabric between them. Partition 1 is the root: Porthole itself, whose ports
/// lead into C++ handlers. Every other partition is a machine.
#pragma once

#include "hv/abi/types.hpp"
#include "hv/base/sync.hpp"
#include "hv/partition/monitor_scanner.hpp"
#include "hv/partition/partition.hpp"
#include "hv/port/port_slab.hpp"

#include <map>
#include <memory>
#include <optional>

namespace hv {

class PartitionRegistry {
  public:
    static constexpr PartitionId root_id{1};

    PartitionRegistry();
    PartitionRegistry(PartitionRegistry const&) = delete;
    PartitionRegistry& operator=(PartitionRegistry const&) = delete;
    ~PartitionRegistry();

    /// Adds a partition with an ID that no partition has had before: the lowest, from 2 on. It is active at once. A
    /// parent that does not exist, any more or yet, leaves it to the root.
    std::shared_ptr<Partition> create(PartitionConfig const& config);
    /// Takes a partition out, its ports and connections with it (TLFS 2.0a §5.4.3, HvDeletePartition). None of its
    /// VPs may be running; those of others may. Once it returns, nothing that the partition was made from is used any
    /// more. The children that it has made by hypercall go first; others become the root's.
    void remove(Partition& partition);
    /// Ends its ports and connections, and waits for those who use it; it stays to be found, and is not active. None
    /// of its VPs may be running.
    void deactivate(Partition& partition);
    /// The child of `parent` that was made next after `previous`, or first, with `invalid_partition`. No value when
    /// `previous` is not a child of it; `invalid_partition` behind the last.
    [[nodiscard]] std::optional<PartitionId> next_child(PartitionId parent, PartitionId previous) const;
    /// Gives a partition another parent; the root when there is none of that ID. From any thread. Parents must form
    /// no cycle.
    void set_parent(Partition& child, PartitionId parent);

    /// nullptr when there is none of that ID.
    [[nodiscard]] std::shared_ptr<Partition> find(PartitionId id) const;
    [[nodiscard]] Partition& root() const { return *root_; }
    [[nodiscard]] PortSlab& slab() { return slab_; }
    [[nodiscard]] MonitorScanner& monitors() { return monitors_; }

  private:
    struct RootWorld;

    /// With `lock_` held.
    [[nodiscard]] PartitionId existing_or_root(PartitionId id) const;

    PortSlab slab_;           // outlives every partition
    MonitorScanner monitors_; // so does this
    std::unique_ptr<RootWorld> root_world_;
    std::shared_ptr<Partition> root_;
    mutable Mutex<LockRank::Registry> lock_;
    std::map<PartitionId, std::shared_ptr<Partition>> partitions_; // guarded by lock_
    PartitionId next_id_{root_id.value + 1};                       // guarded by lock_
};

} // namespace hv
