/// A partition: its VPs, its ports and connections, and what its VPs share.
#pragma once

#include "hv/abi/types.hpp"
#include "hv/base/sync.hpp"
#include "hv/monitor/partition_monitors.hpp"
#include "hv/port/id_table.hpp"
#include "hv/port/memory_pool.hpp"
#include "hv/vp/vp_environment.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace hv {

class Children;
class PartitionRegistry;
struct MessageBuffer;
class VirtualProcessor;

class Partition : public VpEnvironment {
  public:
    Partition(PartitionRegistry& registry, PartitionId id, PartitionConfig const& config);
    Partition(Partition const&) = delete;
    Partition& operator=(Partition const&) = delete;
    ~Partition();

    [[nodiscard]] PartitionId id() const { return id_; }
    /// Changes when the parent goes: the registry then makes the root the parent. From any thread.
    [[nodiscard]] PartitionId parent() const { return parent_.load(std::memory_order_relaxed); }
    [[nodiscard]] PartitionRegistry& registry() const { return registry_; }

    /// What was made by the hypercall of a parent; nullptr for all others.
    [[nodiscard]] Child* child() const { return child_.get(); }
    /// Those that it makes itself; nullptr when it may not.
    [[nodiscard]] Children* children() const { return children_.get(); }

    /// Only an active partition can be acted upon (TLFS 2.0a §5.2.5).
    [[nodiscard]] bool active() const { return active_.load(); }
    void set_active(bool active) { active_.store(active); }

    /// VPs are added in the order of their indices while the partition is built.
    VirtualProcessor& add_vp(VpControl& control);
    /// Those that were added so, which stay.
    [[nodiscard]] std::span<std::unique_ptr<VirtualProcessor> const> vps() const { return vps_; }

    /// Of a partition that its parent gives VPs and takes them again, in any order: `vp` is found from now on, or
    /// nobody is, until nullptr. Whoever takes one waits for visits then.
    void set_vp(VpIndex index, VirtualProcessor* vp) { slots_[index.value].vp.store(vp); }
    /// nullptr when there is no such VP. One that is not this partition's own is to be found during a visit.
    [[nodiscard]] VirtualProcessor* vp(VpIndex index) const
    {
        return index.value < slots_.size() ? slots_[index.value].vp.load(std::memory_order_acquire) : nullptr;
    }
    [[nodiscard]] std::uint32_t vp_count() const;
    /// All VPs have indices below it.
    [[nodiscard]] std::uint32_t vp_indices() const { return static_cast<std::uint32_t>(slots_.size()); }

    /// Keeps the partition, and what it was made from, in place: for a sender that has let go of the port's lock and
    /// still has interrupts to raise, or for one VP that asks another. Begun with the lock of one of its live ports
    /// held, or with the monitor scanner's while that looks at a page for it, or else followed by a look whether the
    /// partition is still active.
    class Visit {
      public:
        explicit Visit(Partition& partition) : partition_{partition} { partition_.visitors_.fetch_add(1); }
        Visit(Visit const&) = delete;
        Visit& operator=(Visit const&) = delete;
        ~Visit() { partition_.visitors_.fetch_sub(1, std::memory_order_release); }

      private:
        Partition& partition_;
    };
    /// Returns when no visit is under way. With the partition inactive and all ports deleted, none begins any more.
    void wait_for_visits() const;

    /// Nothing is written to its VPs' pages for messages and events, or to the monitor pages that are looked at on
    /// its behalf, from when this returns to `release`: what comes meanwhile waits. Throws std::bad_alloc.
    void hold_deliveries();
    void release_deliveries();

    /// What the guest has set in its VPs and in what they share, and messages that wait for room. While no VP runs
    /// and deliveries are held; the guest's memory has been restored before. Ports are made anew by whoever made
    /// them, and before this, or what waits in them is lost. Throws std::bad_alloc.
    void visit(StateVisitor& visitor);

    [[nodiscard]] MemoryPool& pool() { return pool_; }
    using VpEnvironment::grant;

    /// The numbers of the pages that overlays are to cover: those of its registers, not monitor pages. Throws
    /// std::bad_alloc.
    [[nodiscard]] std::vector<std::uint64_t> overlay_pages();

    // Ports by ID and connections by ID; values are PortHandle words. `tables_lock` is held while they change.
    Mutex<LockRank::Tables> tables_lock;
    [[nodiscard]] IdTable& ports() { return ports_; }
    [[nodiscard]] IdTable& connections() { return connections_; }
    [[nodiscard]] PartitionMonitors& monitors() { return monitors_; }

  private:
    [[nodiscard]] MessageBuffer* free_buffer(PortId id);

    friend class PartitionRegistry; // which alone knows who may be a parent

    std::shared_ptr<Child> const child_; // what the partition was made from ends last
    PartitionRegistry& registry_;
    PartitionId const id_;
    std::atomic<PartitionId> parent_;
    std::atomic<bool> active_;
    std::atomic<std::uint32_t> visitors_{0};
    /// Moved only while the partition is built.
    struct Slot {
        Slot() = default;
        Slot(Slot&& other) noexcept : vp{other.vp.load()} {}

        std::atomic<VirtualProcessor*> vp{nullptr};
    };

    std::vector<std::unique_ptr<VirtualProcessor>> vps_;
    std::vector<Slot> slots_; ///< by index

    MemoryPool pool_;
    std::unique_ptr<Children> const children_;
    IdTable ports_{pool_};
    IdTable connections_{pool_};
    PartitionMonitors monitors_;
};

} // namespace hv
