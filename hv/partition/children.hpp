/// The partitions that one partition has made by hypercall, and its pages that are in their memory pools: what the
/// calls of TLFS 2.0a §5.6 and §7.3 do once their caller has been found to be allowed.
#pragma once

#include "hv/abi/result.hpp"
#include "hv/abi/types.hpp"
#include "hv/base/sync.hpp"
#include "hv/child/child_host.hpp"
#include "hv/child/page_ledger.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace hv {

class Partition;

/// Charged to the parent's pool for each child, and to the child's own when it is initialized: bytes.
inline constexpr std::uint64_t child_partition_charge = 4 * page_size;
inline constexpr std::uint64_t initial_child_charge = 32 * page_size;

/// How far a list came: the status, and how many elements were done before it.
struct ListProgress {
    Status status;
    std::size_t done;
};

/// Its functions are called by VPs of the parent, several at once. `child` is one of these.
class Children {
  public:
    /// `host` outlives the parent, and is not asked for anything after end_all().
    Children(Partition& parent, ChildHost& host) : parent_{parent}, host_{host}
    {
        children_.reserve(host.limits().partitions);
    }
    Children(Children const&) = delete;
    Children& operator=(Children const&) = delete;

    /// Makes one, uninitialized. NoResources: there are as many as may be, or the host has no room;
    /// InsufficientMemory: the parent's pool.
    [[nodiscard]] Result<PartitionId> create();
    /// InvalidPartitionState, or InsufficientMemory: the child's pool.
    [[nodiscard]] Status initialize(Partition& child);
    /// Ends its ports and connections. InvalidPartitionState unless it is active.
    [[nodiscard]] Status finalize(Partition& child);
    /// InvalidPartitionState unless it is finalized or has never been initialized; OperationDenied while pages are in
    /// its pool.
    [[nodiscard]] Status remove(Partition& child);

    /// Moves the parent's pages into the child's pool, in their order. What fails does so for the first page that
    /// cannot: OperationDenied, ObjectInUse, InvalidPartitionState, or NoResources for the page that the host cannot
    /// take out.
    [[nodiscard]] ListProgress deposit(Partition& child, std::span<std::uint64_t const> pages);
    /// Fills `pages` with numbers of pages that are the parent's again, and zeroed. NoResources when there are fewer
    /// that the child does not use.
    [[nodiscard]] ListProgress withdraw(Partition& child, std::span<std::uint64_t> pages);

    struct Balance {
        std::uint64_t available;
        std::uint64_t in_use;
    };
    /// Of the child's pool, in pages.
    [[nodiscard]] Balance balance(Partition& child) const;

    /// Gives one that is not initialized yet its HV_PARTITION_PRIVILEGE_MASK: of what the parent has, all but the
    /// right to have children. PropertyValueOutOfRange, InvalidPartitionState.
    [[nodiscard]] Status set_rights(Partition& child, std::uint64_t privileges);

    /// With the parent leaving: all of them are gone when it returns, and what was in their pools is nobody's. None
    /// of the parent's VPs runs.
    void end_all();

    [[nodiscard]] unsigned count() const;
    [[nodiscard]] std::size_t deposited_pages() const;

  private:
    void forget(Partition& child);
    [[nodiscard]] Result<std::shared_ptr<Partition>> make();
    [[nodiscard]] std::shared_ptr<Partition> registered(std::unique_ptr<ChildMachine> machine);
    [[nodiscard]] ListProgress reserve(Partition& child, std::span<std::uint64_t const> pages);

    Partition& parent_;
    ChildHost& host_;
    mutable Mutex<LockRank::Leaf> lock_;               // the rest, and what is in each Child
    std::vector<std::shared_ptr<Partition>> children_; ///< in the order of their creation
    PageLedger ledger_;
    unsigned being_made_ = 0;
};

} // namespace hv
