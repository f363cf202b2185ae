/// Statistics pages that a parent has mapped, of itself and of its children.
#include "hv/partition/child.hpp"
#include "hv/partition/children.hpp"
#include "hv/partition/partition.hpp"

#include <algorithm>
#include <mutex>
#include <new>

namespace hv {

Status Children::map_stats(StatsName const& name, std::uint64_t page)
try {
    std::lock_guard const guard{lock_};
    if (stats_.contains(name)) return Status::InvalidParameter;
    if (stats_.size() >= most_stats_pages) return Status::NoResources;
    if (page >= GpaMap::pages || !ledger_.is_own(page)) return Status::InvalidParameter;
    auto& made = stats_[name];
    made.page = page;
    made.overlay.fill({});
    if (!made.overlay.map(parent_.memory(), Gpa{page * page_size})) {
        stats_.erase(name);
        return Status::InvalidParameter;
    }
    tells_counters_ = true;
    for (auto const& child : children_)
        tell_counters(*child);
    tell_own_counters();
    return Status::Success;
} catch (std::bad_alloc const&) {
    return Status::NoResources;
}

Status Children::unmap_stats(StatsName const& name)
{
    std::lock_guard const guard{lock_};
    auto const found = stats_.find(name);
    if (found == stats_.end()) return Status::InvalidParameter;
    found->second.overlay.unmap();
    stats_.erase(found);
    tells_counters_ = !stats_.empty();
    return Status::Success;
}

/// With lock_ held, as the next two.
void Children::write_counters(StatsName name, std::span<abi::StatsCounter const> counters)
{
    for (std::uint8_t area = 0; area < abi::StatsIdentity::areas; ++area) {
        name.identity.area = area;
        auto const found = stats_.find(name);
        if (found == stats_.end()) continue;
        auto* const page = reinterpret_cast<std::uint64_t*>(found->second.overlay.host());
        for (auto const& [place, value] : counters)
            __atomic_store_n(page + place, value, __ATOMIC_RELAXED);
    }
}

void Children::tell_counters(Partition& child)
{
    namespace counter = abi::partition_counter;
    if (!tells_counters_) return;
    auto const& state = *child.child();
    auto const vps = std::ranges::count_if(state.vps, [](auto const& vp) { return vp != nullptr; });
    abi::StatsCounter const counters[] = {{counter::virtual_processors, static_cast<std::uint64_t>(vps)},
                                          {counter::deposited_pages, state.pool_pages.size()},
                                          {counter::gpa_pages, state.map.reachable()},
                                          {counter::gpa_space_modifications, state.map_changes},
                                          {counter::partition_id, child.id().value}};
    write_counters({abi::StatsObject::Partition, {child.id().value, 0, 0, 0, 0}}, counters);
}

void Children::tell_own_counters()
{
    namespace counter = abi::partition_counter;
    if (!tells_counters_) return;
    auto const active = std::ranges::count_if(
        children_, [](auto const& child) { return child->child()->stage == Child::Stage::Active; });
    abi::StatsCounter const counters[] = {{counter::virtual_processors, parent_.vp_count()},
                                          {counter::partition_id, parent_.id().value},
                                          {counter::active_children, static_cast<std::uint64_t>(active)}};
    write_counters({abi::StatsObject::Partition, {parent_.id().value, 0, 0, 0, 0}}, counters);
}

void Children::tell_counters(Partition const& child, VpIndex index, std::span<abi::StatsCounter const> counters)
{
    std::lock_guard const guard{lock_};
    if (!tells_counters_) return;
    write_counters({abi::StatsObject::Vp, {child.id().value, index.value, 0, 0, 0}}, counters);
}

/// Of what is no more. With lock_ held.
void Children::forget_stats(std::function<bool(StatsName const&)> const& is_gone)
{
    for (auto at = stats_.begin(); at != stats_.end();) {
        if (is_gone(at->first)) {
            at->second.overlay.unmap();
            at = stats_.erase(at);
        } else {
            ++at;
        }
    }
    tells_counters_ = !stats_.empty();
}

} // namespace hv
