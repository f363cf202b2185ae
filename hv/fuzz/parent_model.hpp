/// What fuzz_parents knows of two guests and their children, beside the hypervisor.
#pragma once

#include "hv/child/gpa_map.hpp"
#include "hv/partition/children.hpp"
#include "hv/testing/child_host.hpp"

#include <algorithm>
#include <cstdint>
#include <memory>
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

    [[nodiscard]] std::uint64_t bytes_in_use() const
    {
        if (stage != Stage::Active) return 0;
        return initial_child_charge + vps.size() * child_vp_charge + map.runs() * child_run_charge;
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
    {}

    static constexpr std::uint64_t pool = 5 * child_partition_charge / 2; // room for two

    std::unique_ptr<ParentGuest> parent;
    std::vector<Model> children{};
    std::uint64_t overlay = 0; ///< the page that SIMP covers, or 0
};

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
    auto const gone = [&](std::uint64_t page) {
        return page >= TestGuest::pages || seat.parent->host.hidden.contains(page);
    };
    if (std::ranges::any_of(pages, gone)) return Status::OperationDenied;
    bool const covered = seat.overlay != 0 && std::ranges::find(pages, seat.overlay) != pages.end();
    return covered ? Status::ObjectInUse : Status::Success;
}

} // namespace hv::fuzz
