/// What a partition that another has made by hypercall is, beyond any partition: how far its life has come (TLFS 2.0a
/// §5.2.5), the pages of its memory pool (§7.1.1), its map of memory (§8), its VPs, and which of its events its
/// parent wants to hear of (§9).
#pragma once

#include "hv/abi/child.hpp"
#include "hv/abi/intercept_result.hpp"
#include "hv/abi/status.hpp"
#include "hv/child/child_host.hpp"
#include "hv/child/doorbells.hpp"
#include "hv/child/gpa_map.hpp"
#include "hv/partition/child_vp.hpp"
#include "hv/partition/installed_intercepts.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace hv {

class Children;

/// Guarded by the lock of its parent's Children, but for what says otherwise.
struct Child {
    enum class Stage : std::uint8_t {
        BeingMade, ///< its parent does not know its ID yet
        Uninitialized,
        Active,
        Finalizing, ///< while it is torn down; a second call to finalize it is refused
        Finalized,
        Deleting, ///< while it leaves the registry
    };

    /// `parents_own` of its parent, where that was made so too. `flags` of abi::creation_flag. Throws std::bad_alloc.
    Child(Children& parents, Child const* parents_own, std::unique_ptr<ChildMachine> made, std::uint64_t flags,
          unsigned most_vps)
        : siblings{parents},
          above{parents_own},
          machine{std::move(made)},
          has_local_apics{(flags & abi::creation_flag::local_apic) != 0},
          has_message_pages{(flags & abi::creation_flag::intercept_page) != 0},
          intercepts{(flags & abi::creation_flag::exo_partition) != 0},
          vps(most_vps),
          shown_at(most_vps, nowhere)
    {}

    [[nodiscard]] bool takes_deposits() const { return stage == Stage::Uninitialized || stage == Stage::Active; }
    /// Nothing of it uses pool pages: all can be withdrawn.
    [[nodiscard]] bool uses_no_pages() const { return stage == Stage::Uninitialized || stage == Stage::Finalized; }

    /// Its time stands still, or that of one that it descends from: nothing of it executes. From any thread, while it
    /// has VPs: those above outlive them.
    [[nodiscard]] bool frozen() const
    {
        auto const* at = this;
        while (at && !at->time_frozen.load())
            at = at->above;
        return at != nullptr;
    }

    Children& siblings; ///< of its parent, whose calls alone ask for it
    Child const* const above;
    std::unique_ptr<ChildMachine> const machine;
    bool const has_local_apics;
    bool const has_message_pages;
    InstalledIntercepts intercepts;                                        ///< locks itself
    std::atomic<abi::MsrAction> unimplemented_msrs{abi::MsrAction::Fault}; ///< properties, changed by its parent
    std::atomic<bool> time_frozen{false};
    Doorbells doorbells; ///< likewise
    Stage stage = Stage::BeingMade;
    std::vector<std::uint64_t> pool_pages; ///< numbers of the parent's pages
    std::size_t pages_under_way = 0;       ///< on their way into the pool or out of it
    std::uint64_t map_changes = 0;         ///< how often its map has changed

    std::mutex changes; ///< one change of the VPs or of the map at a time; before all locks of the model
    GpaMap map;         ///< changed with `changes` held too
    std::vector<std::unique_ptr<ChildVp>> vps; ///< by index; likewise
    /// By index, and by abi::VpStatePage: the parent's page that a VP's state page lies over, or no_page.
    using ShownAt = std::array<std::uint64_t, 2>;
    static constexpr ShownAt nowhere{GpaRun::no_page, GpaRun::no_page};
    std::vector<ShownAt> shown_at;
};

} // namespace hv
