/// What executes in children: their VPs (TLFS 2.0a §10.4) and their memory (§8.3).
#include "hv/partition/child.hpp"
#include "hv/partition/children.hpp"
#include "hv/partition/partition.hpp"

#include <algorithm>
#include <mutex>
#include <new>
#include <utility>

namespace hv {

bool Children::is_active(Partition& child) const
{
    std::lock_guard const guard{lock_};
    return child.child()->stage == Child::Stage::Active;
}

Status Children::create_vp(Partition& child, VpIndex index)
{
    auto& state = *child.child();
    std::lock_guard const changes{state.changes};
    if (auto const status = admit_vp(child, index); status != Status::Success) return status;
    auto vp = make_vp(child, index);
    if (!vp) {
        child.pool().release(child_vp_charge);
        std::lock_guard const guard{lock_};
        --vps_;
        return Status::NoResources;
    }
    vp->begin();
    std::lock_guard const guard{lock_};
    state.vps[index.value] = std::move(vp);
    tell_counters(child);
    return Status::Success;
}

/// Counts one more, and charges for it.
Status Children::admit_vp(Partition& child, VpIndex index)
{
    std::lock_guard const guard{lock_};
    auto const& state = *child.child();
    if (state.stage != Child::Stage::Active) return Status::InvalidPartitionState;
    if (index.value >= state.vps.size() || state.vps[index.value]) return Status::InvalidVpIndex;
    if (vps_ >= host_.limits().vps) return Status::NoResources;
    if (!child.pool().charge(child_vp_charge)) return Status::InsufficientMemory;
    ++vps_;
    return Status::Success;
}

/// nullptr when the host has no room.
std::unique_ptr<ChildVp> Children::make_vp(Partition& child, VpIndex index)
try {
    auto& state = *child.child();
    auto processor = state.machine->add_processor(index, child.rights(), child.time());
    if (!processor) return nullptr;
    return std::make_unique<ChildVp>(ChildVp::Family{parent_, child, state.intercepts}, index, std::move(processor),
                                     state.has_message_pages);
} catch (std::bad_alloc const&) {
    return nullptr;
}

ChildVp* Children::find_vp(Partition& child, VpIndex index) const
{
    std::lock_guard const guard{lock_};
    auto const& vps = child.child()->vps;
    return index.value < vps.size() ? vps[index.value].get() : nullptr;
}

std::unique_ptr<ChildVp> Children::take_vp(Partition& child, std::size_t index)
{
    auto& state = *child.child();
    std::lock_guard const guard{lock_};
    state.shown_at[index] = Child::nowhere;
    return std::move(state.vps[index]);
}

void Children::end_vp(Partition& child, std::unique_ptr<ChildVp> vp)
{
    auto const index = vp->vp().index().value;
    vp->end();
    vp.reset();
    child.pool().release(child_vp_charge);
    std::lock_guard const guard{lock_};
    --vps_;
    forget_stats([&](StatsName const& name) {
        auto const& who = name.identity;
        return name.type == abi::StatsObject::Vp && who.partition == child.id().value && who.vp_index == index;
    });
    tell_counters(child);
}

Status Children::delete_vp(Partition& child, VpIndex index)
{
    auto& state = *child.child();
    std::lock_guard const changes{state.changes};
    if (!is_active(child)) return Status::InvalidPartitionState;
    if (index.value >= state.vps.size()) return Status::InvalidVpIndex;
    auto vp = take_vp(child, index.value);
    if (!vp) return Status::InvalidVpIndex;
    end_vp(child, std::move(vp));
    return Status::Success;
}

/// None comes any more: the child is not active.
void Children::end_vps(Partition& child)
{
    auto& state = *child.child();
    std::lock_guard const changes{state.changes};
    for (std::size_t index = 0; index < state.vps.size(); ++index)
        if (auto vp = take_vp(child, index)) end_vp(child, std::move(vp));
}

/// With lock_ held.
std::vector<std::uint64_t> Children::mapped_among(std::span<std::uint64_t const> pages) const
{
    std::vector<std::uint64_t> sorted(pages.begin(), pages.end());
    std::ranges::sort(sorted);
    std::vector<bool> marks(sorted.size());
    for (auto const& child : children_)
        child->child()->map.mark_sources(sorted, marks);
    std::vector<std::uint64_t> mapped;
    for (std::size_t i = 0; i < sorted.size(); ++i)
        if (marks[i]) mapped.push_back(sorted[i]);
    return mapped;
}

namespace {

/// How many of the first ones follow each other.
std::size_t neighbours(std::span<std::uint64_t const> pages)
{
    std::size_t count = 1;
    while (count < pages.size() && pages[count] == pages[0] + count)
        ++count;
    return count;
}

bool is_among(std::uint64_t first, std::size_t count, std::span<std::uint64_t const> pages)
{
    return std::ranges::any_of(pages, [=](std::uint64_t page) { return page - first < count; });
}

} // namespace

/// With lock_ held. Neighbours are looked at together: lists are long.
Status Children::may_map(std::span<std::uint64_t const> pages, std::span<std::uint64_t const> overlays) const
{
    bool overlaid = false;
    while (!pages.empty()) {
        auto const first = pages.front();
        if (first >= GpaMap::pages) return Status::OperationDenied;
        auto const ram = parent_.memory().from(Gpa{first * page_size}).size() / page_size;
        auto const count = std::min(neighbours(pages), ram);
        if (count == 0 || !ledger_.are_own(first, count)) return Status::OperationDenied;
        overlaid = overlaid || is_among(first, count, overlays);
        pages = pages.subspan(count);
    }
    return overlaid ? Status::ObjectInUse : Status::Success;
}

ListProgress Children::map(Partition& child, std::uint64_t base, std::span<std::uint64_t const> pages,
                           GpaAccess access)
try {
    std::lock_guard const changes{child.child()->changes};
    auto const change = change_map(child, base, pages, access);
    if (!change) return {change.status(), 0};
    auto const status = put_into_effect(child, *change);
    return {status, status == Status::Success ? pages.size() : 0};
} catch (std::bad_alloc const&) { // before anything has changed
    return {Status::NoResources, 0};
}

/// Charges for what a change has made longer, or takes the change back. With lock_ held.
Status Children::pay(Partition& child, GpaChange const& change)
{
    auto& map = child.child()->map;
    auto const more = change.added.size() > change.removed.size() ? change.added.size() - change.removed.size() : 0;
    bool const reaches_more = GpaMap::reachable(change.added) > GpaMap::reachable(change.removed);
    auto status = Status::Success;
    if (more != 0 && map.runs() > host_.limits().runs)
        status = Status::NoResources;
    else if (reaches_more && map.reachable() > host_.limits().pages)
        status = Status::NoResources;
    else if (more != 0 && !child.pool().charge(more * child_run_charge))
        status = Status::InsufficientMemory;
    if (status != Status::Success) map.undo(change);
    return status;
}

/// Of the model's map.
Result<GpaChange> Children::change_map(Partition& child, std::uint64_t base, std::span<std::uint64_t const> pages,
                                       GpaAccess access)
{
    auto const overlays = access == GpaAccess::None ? std::vector<std::uint64_t>{} : parent_.overlay_pages();
    std::lock_guard const guard{lock_};
    auto& state = *child.child();
    if (state.stage != Child::Stage::Active) return Status::InvalidPartitionState;
    if (access != GpaAccess::None)
        if (auto const status = may_map(pages, overlays); status != Status::Success) return status;
    auto change = state.map.map(base, pages, access);
    if (auto const status = pay(child, change); status != Status::Success) return status;
    return change;
}

Status Children::put_into_effect(Partition& child, GpaChange const& change)
{
    auto& state = *child.child();
    bool const done = state.machine->change_memory(change);
    std::lock_guard const guard{lock_};
    if (!done) state.map.undo(change);
    auto const before = done ? change.removed.size() : change.added.size();
    auto const after = done ? change.added.size() : change.removed.size();
    if (before > after) child.pool().release((before - after) * child_run_charge);
    if (done) ++state.map_changes;
    tell_counters(child);
    return done ? Status::Success : Status::NoResources;
}

/// A page without access has forgotten what lay there, and so can only lose what it has not.
Status Children::change_rights(Partition& child, std::uint64_t page, GpaAccess access)
{
    std::uint64_t source = 0;
    {
        std::lock_guard const guard{lock_};
        if (child.child()->stage != Child::Stage::Active) return Status::InvalidPartitionState;
        auto const run = child.child()->map.find(page);
        bool const grants = access != GpaAccess::None;
        if (!run || (grants && run->access == GpaAccess::None)) return Status::InvalidParameter;
        if (grants) source = run->source + (page - run->page);
    }
    return map(child, page, std::span{&source, 1}, access).status;
}

Status Children::unmap(Partition& child, std::uint64_t base, std::uint64_t count)
try {
    auto& state = *child.child();
    std::lock_guard const changes{state.changes};
    GpaChange change;
    {
        std::lock_guard const guard{lock_};
        if (state.stage != Child::Stage::Active) return Status::InvalidPartitionState;
        change = state.map.unmap(base, count);
        if (auto const status = pay(child, change); status != Status::Success) return status; // a run was split
    }
    return put_into_effect(child, change);
} catch (std::bad_alloc const&) {
    return Status::NoResources;
}

Status Children::install(Partition& child, abi::InstallInterceptInput const& in)
{
    if (!is_active(child)) return Status::InvalidPartitionState;
    return child.child()->intercepts.install(in);
}

Status Children::show_page(Partition& child, VpIndex index, abi::VpStatePage type, std::uint64_t page)
{
    auto& state = *child.child();
    std::lock_guard const changes{state.changes};
    if (!is_active(child)) return Status::InvalidPartitionState;
    if (index.value >= state.vps.size() || !state.vps[index.value]) return Status::InvalidVpIndex;
    auto const status = state.vps[index.value]->show_page(type, page);
    std::lock_guard const guard{lock_};
    if (status == Status::Success) state.shown_at[index.value].at(static_cast<std::size_t>(type)) = page;
    return status;
}

Status Children::hide_page(Partition& child, VpIndex index, abi::VpStatePage type)
{
    auto& state = *child.child();
    std::lock_guard const changes{state.changes};
    if (!is_active(child)) return Status::InvalidPartitionState;
    if (index.value >= state.vps.size() || !state.vps[index.value]) return Status::InvalidVpIndex;
    auto const status = state.vps[index.value]->hide_page(type);
    std::lock_guard const guard{lock_};
    state.shown_at[index.value].at(static_cast<std::size_t>(type)) = GpaRun::no_page;
    return status;
}

Status Children::access_states(Partition& child, std::uint64_t base, std::uint64_t flags,
                               std::span<std::uint8_t> states)
{
    auto& state = *child.child();
    std::lock_guard const changes{state.changes};
    if (!is_active(child)) return Status::InvalidPartitionState;
    return state.machine->access_states(base, flags, states) ? Status::Success : Status::NoResources;
}

abi::MessageType Children::describe(Partition& child, Intercept const& intercept) const
{
    using enum abi::MessageType;
    switch (intercept.kind) {
    case Intercept::Kind::PortAccess: return IoPortIntercept;
    case Intercept::Kind::MsrAccess: return MsrIntercept;
    case Intercept::Kind::Halt: return Halt;
    case Intercept::Kind::UnrecoverableException: return UnrecoverableException;
    case Intercept::Kind::MemoryAccess: break;
    }
    std::lock_guard const guard{lock_};
    return child.child()->map.find(intercept.gpa.value / page_size) ? GpaIntercept : UnmappedGpa;
}

void Children::list_overlays(std::vector<std::uint64_t>& pages) const
{
    std::lock_guard const guard{lock_};
    for (auto const& child : children_)
        for (auto const& shown : child->child()->shown_at)
            for (auto const page : shown)
                if (page != GpaRun::no_page) pages.push_back(page);
    for (auto const& [name, stats] : stats_)
        pages.push_back(stats.page);
}

} // namespace hv
