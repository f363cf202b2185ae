/// What fuzz_parents knows of two guests and their children, beside the hypervisor.
#pragma once

#include "hv/abi/child.hpp"
#include "hv/abi/stats.hpp"
#include "hv/child/gpa_map.hpp"
#include "hv/partition/children.hpp"
#include "hv/partition/communication.hpp"
#include "hv/testing/child_host.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

namespace hv::fuzz {

using testing::ParentGuest;
using testing::TestGuest;

inline constexpr std::uint64_t initial_pages = initial_child_charge / page_size;
inline constexpr std::uint32_t most_vps = 4;
inline constexpr std::size_t most_runs = 12;

struct Model {
    enum class Stage { Uninitialized, Active, Finalized };

    std::uint64_t id;
    Stage stage = Stage::Uninitialized;
    std::vector<std::uint64_t> pool{};
    std::set<std::uint32_t> vps{};
    GpaMap map{};
    std::set<std::uint32_t> connections{}; ///< of doorbells
    std::uint64_t nodes = 0;               ///< bytes of its table of connections

    [[nodiscard]] std::uint64_t bytes_in_use() const
    {
        if (stage != Stage::Active) return 0;
        constexpr auto each = communication::connection_charge + communication::doorbell_connection_charge;
        return initial_child_charge + vps.size() * child_vp_charge + map.runs() * child_run_charge +
               connections.size() * each + nodes;
    }
    [[nodiscard]] std::uint64_t in_use() const { return (bytes_in_use() + page_size - 1) / page_size; }
    [[nodiscard]] bool can_pay(std::uint64_t bytes) const
    {
        return bytes_in_use() + bytes <= pool.size() * page_size;
    }
};

struct Seat {
    explicit Seat(PartitionRegistry& registry)
        : parent{std::make_unique<ParentGuest>(registry, Rights::root(), ChildLimits{3, most_vps, most_runs}, pool)}
    {
        parent->host.gives_memory = true;
    }

    static constexpr std::uint64_t pool = 5 * child_partition_charge / 2; // room for two, and few ports

    /// What covers a page of the guest's.
    using Overlay = std::array<std::uint64_t, 4>;
    [[nodiscard]] static Overlay of_msr(std::uint32_t msr) { return {0, msr}; }
    [[nodiscard]] static Overlay state_page(std::uint64_t child, std::uint32_t vp, abi::VpStatePage type)
    {
        return {1, child, vp, static_cast<std::uint64_t>(type)};
    }
    /// What is one's own has the ID 0.
    [[nodiscard]] static Overlay stats_page(abi::UnmapStatsPageInput const& what)
    {
        auto const& who = what.identity;
        bool const of_vp = what.type == abi::StatsObject::Vp;
        return {of_vp ? 3U : 2U, who.partition == self_partition.value ? 0 : who.partition, who.vp_index, who.area};
    }
    /// Those of a child, or of one of its VPs, are gone.
    void forget_overlays(std::uint64_t kind, std::uint64_t child, std::optional<std::uint32_t> vp = std::nullopt)
    {
        std::erase_if(overlays, [&](auto const& overlay) {
            auto const& what = overlay.first;
            return what[0] == kind && what[1] == child && (!vp || what[2] == *vp);
        });
    }
    [[nodiscard]] bool is_covered(std::uint64_t page) const
    {
        return std::ranges::any_of(overlays, [&](auto const& overlay) { return overlay.second == page; });
    }

    std::unique_ptr<ParentGuest> parent;
    std::vector<Model> children{};
    std::map<Overlay, std::uint64_t> overlays{}; ///< the page that each covers
    std::set<std::uint32_t> ports{};
};

/// Not in a pool.
inline bool is_ram(Seat const& seat, std::uint64_t page)
{
    return page < TestGuest::pages && !seat.parent->host.hidden.contains(page);
}

/// Whether a child can have what a change has made of its map; else it is taken back.
[[nodiscard]] inline Status keep(Model& child, GpaChange const& change)
{
    auto status = Status::Success;
    if (!child.can_pay(0)) status = Status::InsufficientMemory;
    if (change.added.size() > change.removed.size() && child.map.runs() > most_runs) status = Status::NoResources;
    if (status != Status::Success) child.map.undo(change);
    return status;
}

/// In one of the guest's children.
inline bool is_mapped(Seat const& seat, std::uint64_t page)
{
    std::vector<bool> mark(1);
    for (auto const& child : seat.children)
        child.map.mark_sources({&page, 1}, mark);
    return mark[0];
}

/// What the guest's pages allow.
[[nodiscard]] inline Status may_map(Seat const& seat, std::vector<std::uint64_t> const& pages)
{
    if (!std::ranges::all_of(pages, [&](std::uint64_t page) { return is_ram(seat, page); }))
        return Status::OperationDenied;
    bool const covered = std::ranges::any_of(pages, [&](std::uint64_t page) { return seat.is_covered(page); });
    return covered ? Status::ObjectInUse : Status::Success;
}

/// What mapping these pages there has to say, and has changed.
[[nodiscard]] inline Status map_pages(Seat const& seat, Model& child, std::uint64_t base,
                                      std::vector<std::uint64_t> const& pages, GpaAccess access)
{
    if (child.stage != Model::Stage::Active) return Status::InvalidPartitionState;
    auto const status = access == GpaAccess::None ? Status::Success : may_map(seat, pages);
    return status == Status::Success ? keep(child, child.map.map(base, pages, access)) : status;
}

} // namespace hv::fuzz
