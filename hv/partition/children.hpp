/// The partitions that one partition has made by hypercall, and its pages that are in their memory pools: what the
/// calls of TLFS 2.0a §5.6 and §7.3 do once their caller has been found to be allowed.
#pragma once

#include "hv/abi/child.hpp"
#include "hv/abi/child_access.hpp"
#include "hv/abi/message.hpp"
#include "hv/abi/result.hpp"
#include "hv/abi/stats.hpp"
#include "hv/abi/types.hpp"
#include "hv/base/overlay_page.hpp"
#include "hv/base/sync.hpp"
#include "hv/child/child_host.hpp"
#include "hv/child/gpa_map.hpp"
#include "hv/child/page_ledger.hpp"
#include "hv/child/page_walk.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace hv {

class ChildVp;
class Partition;

/// Charged to the parent's pool for each child, and to the child's own when it is initialized: bytes.
inline constexpr std::uint64_t child_partition_charge = 4 * page_size;
inline constexpr std::uint64_t initial_child_charge = 32 * page_size;
/// Charged to the child's pool for each VP, and for each run of its map: bytes.
inline constexpr std::uint64_t child_vp_charge = 8 * page_size;
inline constexpr std::uint64_t child_run_charge = 256;

/// How far a list came: the status, and how many elements were done before it.
struct ListProgress {
    Status status;
    std::size_t done;
};

/// Its functions are called by VPs of the parent, several at once. `child` is one of these.
class Children {
  public:
    /// `host` outlives the parent, and is not asked for anything after end_all(). Throws std::bad_alloc.
    Children(Partition& parent, ChildHost& host);
    Children(Children const&) = delete;
    Children& operator=(Children const&) = delete;

    /// How many levels of partitions there may be below one that the user's configuration has made.
    static constexpr unsigned deepest = 3;

    /// Makes one, uninitialized, with these of abi::creation_flag. NoResources: there are as many as may be, or the
    /// host has no room; InsufficientMemory: the parent's pool.
    [[nodiscard]] Result<PartitionId> create(std::uint64_t flags);
    /// InvalidPartitionState, or InsufficientMemory: the child's pool.
    [[nodiscard]] Status initialize(Partition& child);
    /// Ends its VPs, its ports and connections. InvalidPartitionState unless it is active.
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

    // The next act upon an active child, else InvalidPartitionState.

    /// Makes a VP, which is suspended. InvalidVpIndex: it is there, or beyond what may be; InsufficientMemory: the
    /// child's pool; NoResources: there are as many as may be, or the host has no room.
    [[nodiscard]] Status create_vp(Partition& child, VpIndex index);
    /// InvalidVpIndex: there is none.
    [[nodiscard]] Status delete_vp(Partition& child, VpIndex index);
    /// nullptr when there is none, or it is being deleted. On that VP's thread, where it stays.
    [[nodiscard]] ChildVp* find_vp(Partition& child, VpIndex index) const;

    /// Has the child see these pages of the parent's from its page `base` on; with GpaAccess::None it sees nothing.
    /// All of them, or none: OperationDenied when one is not RAM or lies in a pool, ObjectInUse when an overlay
    /// covers it, InsufficientMemory for the child's pool, NoResources when its map would have too many runs, or the
    /// host refuses.
    [[nodiscard]] ListProgress map(Partition& child, std::uint64_t base, std::span<std::uint64_t const> pages,
                                   GpaAccess access);
    /// The same with the one page that lies there already. InvalidParameter: there is none.
    [[nodiscard]] Status change_rights(Partition& child, std::uint64_t page, GpaAccess access);
    /// `count` pages from `base` on. What is not mapped stays so. A run that is split may be one too many, as above.
    [[nodiscard]] Status unmap(Partition& child, std::uint64_t base, std::uint64_t count);

    // Of a child's memory, by its own page numbers, while it runs or not.

    /// As hv::translate.
    [[nodiscard]] std::optional<Translation> translate(Partition& child, PagingRegisters const& registers,
                                                       std::uint64_t linear, AccessIntent const& intent) const;
    /// Within one page.
    [[nodiscard]] abi::AccessGpaResult read(Partition& child, Gpa gpa, std::span<std::byte> to) const;
    [[nodiscard]] abi::AccessGpaResult write(Partition& child, Gpa gpa, std::span<std::byte const> from) const;

    [[nodiscard]] Status install(Partition& child, abi::InstallInterceptInput const& in);

    /// Shows a state page of a VP's in a page of the parent's. InvalidVpIndex; InvalidParameter: it has no such page,
    /// or there is no RAM; InvalidVpState: it is shown already.
    [[nodiscard]] Status show_page(Partition& child, VpIndex index, abi::VpStatePage type, std::uint64_t page);
    /// InvalidVpState: it is not shown.
    [[nodiscard]] Status hide_page(Partition& child, VpIndex index, abi::VpStatePage type);

    /// Fills in abi::page_access of the child's pages from `base` on, and then changes it by these of
    /// abi::access_flag. Until this is first asked, nobody looks, and each page that can be accessed counts as
    /// accessed and dirty. NoResources when the host refuses.
    [[nodiscard]] Status access_states(Partition& child, std::uint64_t base, std::uint64_t flags,
                                       std::span<std::uint8_t> states);

    /// Of what a statistics page is.
    struct StatsName {
        abi::StatsObject type;
        abi::StatsIdentity identity; ///< by the partition's number

        friend auto operator<=>(StatsName const&, StatsName const&) = default;
    };
    static constexpr std::size_t most_stats_pages = 512;
    /// Puts one over a page of the parent's. InvalidParameter: it is somewhere, or there is no RAM; NoResources.
    [[nodiscard]] Status map_stats(StatsName const& name, std::uint64_t page);
    /// InvalidParameter: it is nowhere.
    [[nodiscard]] Status unmap_stats(StatsName const& name);

    /// There is a statistics page: counters are worth finding out.
    [[nodiscard]] bool tells_counters() const { return tells_counters_.load(std::memory_order_relaxed); }
    /// Shows these counters in the pages of a child's VP, where there are some. On that VP's thread.
    void tell_counters(Partition const& child, VpIndex index, std::span<abi::StatsCounter const> counters);

    /// What an event is to the parent: of an access to memory, whether the page is mapped.
    [[nodiscard]] abi::MessageType describe(Partition& child, Intercept const& intercept) const;
    void list_overlays(std::vector<std::uint64_t>& pages) const;

    /// Gives one that is not initialized yet its HV_PARTITION_PRIVILEGE_MASK, of what the parent has; the right to
    /// have children only where they are not too deep. PropertyValueOutOfRange, InvalidPartitionState.
    [[nodiscard]] Status set_rights(Partition& child, std::uint64_t privileges);
    /// The same, of what the parent has, by HV_PARTITION_SYNTHETIC_PROCESSOR_FEATURES.
    [[nodiscard]] Status set_processor_features(Partition& child, std::uint64_t features);

    /// With the parent leaving: all of them are gone when it returns, and what was in their pools is nobody's. None
    /// of the parent's VPs runs.
    void end_all();

    [[nodiscard]] unsigned count() const;
    /// As they are now. Throws std::bad_alloc.
    [[nodiscard]] std::vector<std::shared_ptr<Partition>> all() const;
    [[nodiscard]] std::size_t deposited_pages() const;

  private:
    [[nodiscard]] Status grant(Partition& child, Rights const& rights);
    void forget_stats(std::function<bool(StatsName const&)> const& is_gone);
    void write_counters(StatsName name, std::span<abi::StatsCounter const> counters);
    void tell_counters(Partition& child);
    void tell_own_counters();
    void forget(Partition& child);
    [[nodiscard]] Result<std::shared_ptr<Partition>> make(std::uint64_t flags);
    [[nodiscard]] std::shared_ptr<Partition> registered(std::unique_ptr<ChildMachine> machine, std::uint64_t flags);
    [[nodiscard]] Status admit_vp(Partition& child, VpIndex index);
    [[nodiscard]] std::unique_ptr<ChildVp> make_vp(Partition& child, VpIndex index);
    [[nodiscard]] std::unique_ptr<ChildVp> take_vp(Partition& child, std::size_t index);
    void end_vp(Partition& child, std::unique_ptr<ChildVp> vp);
    void end_vps(Partition& child);
    [[nodiscard]] bool is_active(Partition& child) const;
    [[nodiscard]] Status may_map(std::span<std::uint64_t const> pages, std::span<std::uint64_t const> overlays) const;
    [[nodiscard]] Result<GpaChange> change_map(Partition& child, std::uint64_t base,
                                               std::span<std::uint64_t const> pages, GpaAccess access);
    [[nodiscard]] Status pay(Partition& child, GpaChange const& change);
    [[nodiscard]] Status put_into_effect(Partition& child, GpaChange const& change);
    [[nodiscard]] std::vector<std::uint64_t> mapped_among(std::span<std::uint64_t const> pages) const;
    [[nodiscard]] ListProgress reserve(Partition& child, std::span<std::uint64_t const> pages);

    Partition& parent_;
    ChildHost& host_;
    unsigned const depth_;               ///< of these children: 1 for those whose parent the configuration has made
    mutable Mutex<LockRank::Leaf> lock_; // the rest, and what is in each Child
    std::vector<std::shared_ptr<Partition>> children_; ///< in the order of their creation
    struct StatsPage {
        std::uint64_t page = 0; ///< of the parent's
        OverlayPage overlay;
    };
    std::map<StatsName, StatsPage> stats_;
    std::atomic<bool> tells_counters_{false};
    PageLedger ledger_;
    unsigned being_made_ = 0;
    unsigned vps_ = 0; ///< of all of them
};

} // namespace hv
