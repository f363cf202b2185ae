#include "hv/partition/children.hpp"

#include "hv/partition/child.hpp"
#include "hv/partition/registry.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <new>
#include <string_view>
#include <utility>

namespace hv {

Children::Children(Partition& parent, ChildHost& host)
    : parent_{parent}, host_{host}, depth_{parent.child() ? parent.child()->siblings.depth_ + 1 : 1}
{
    children_.reserve(host.limits().partitions);
}

Result<PartitionId> Children::create(std::uint64_t flags)
{
    {
        std::lock_guard const guard{lock_};
        if (children_.size() + being_made_ >= host_.limits().partitions) return Status::NoResources;
        ++being_made_;
    }
    auto const made = make(flags);
    std::lock_guard const guard{lock_};
    --being_made_;
    if (!made) return made.status();
    children_.push_back(*made); // there is room
    (*made)->child()->stage = Child::Stage::Uninitialized;
    return (*made)->id();
}

Result<std::shared_ptr<Partition>> Children::make(std::uint64_t flags)
{
    if (!parent_.pool().charge(child_partition_charge)) return Status::InsufficientMemory;
    try {
        bool const local_apics = (flags & abi::creation_flag::local_apic) != 0;
        if (auto machine = host_.create(local_apics)) return registered(std::move(machine), flags);
    } catch (std::bad_alloc const&) { // as when the host has no room
    }
    parent_.pool().release(child_partition_charge);
    return Status::NoResources;
}

std::shared_ptr<Partition> Children::registered(std::unique_ptr<ChildMachine> machine, std::uint64_t flags)
{
    auto& world = *machine;
    auto* const grandchildren = depth_ < deepest ? world.children() : nullptr;
    return parent_.registry().create(
        {.parent = parent_.id(),
         .rights = Rights{},
         .pool_bytes = 0,
         .memory = world.memory(),
         .clock = world.clock(),
         .interrupts = world.interrupts(),
         .machine = world.control(),
         .processor = parent_.processor(),
         .max_vps = host_.limits().vps,
         .children = grandchildren,
         .child = std::make_shared<Child>(*this, parent_.child(), std::move(machine), flags, host_.limits().vps),
         .active = false});
}

Status Children::initialize(Partition& child)
{
    std::lock_guard const guard{lock_};
    auto& state = *child.child();
    if (state.stage != Child::Stage::Uninitialized) return Status::InvalidPartitionState;
    if (!child.pool().charge(initial_child_charge)) return Status::InsufficientMemory;
    state.stage = Child::Stage::Active;
    child.set_active(true);
    tell_own_counters();
    return Status::Success;
}

Status Children::finalize(Partition& child)
{
    {
        std::lock_guard const guard{lock_};
        auto& stage = child.child()->stage;
        if (stage != Child::Stage::Active) return Status::InvalidPartitionState;
        stage = Child::Stage::Finalizing;
    }
    end_vps(child);
    if (auto* const grandchildren = child.children()) grandchildren->end_all();
    parent_.registry().deactivate(child);
    std::lock_guard const guard{lock_};
    child.pool().release_all();
    child.child()->map = {}; // what executes is gone, and what the host has of it goes with the machine
    child.child()->stage = Child::Stage::Finalized;
    tell_counters(child);
    tell_own_counters();
    return Status::Success;
}

Status Children::remove(Partition& child)
{
    {
        std::lock_guard const guard{lock_};
        auto& state = *child.child();
        if (!state.uses_no_pages()) return Status::InvalidPartitionState;
        if (!state.pool_pages.empty() || state.pages_under_way != 0) return Status::OperationDenied;
        state.stage = Child::Stage::Deleting;
    }
    parent_.registry().remove(child);
    forget(child);
    return Status::Success;
}

void Children::forget(Partition& child)
{
    std::shared_ptr<Partition> last; // ends without the lock
    {
        std::lock_guard const guard{lock_};
        auto const found = std::ranges::find(children_, &child, &std::shared_ptr<Partition>::get);
        if (found == children_.end()) return;
        last = std::move(*found);
        children_.erase(found);
        forget_stats([&](StatsName const& name) { return name.identity.partition == child.id().value; });
        tell_own_counters();
    }
    parent_.pool().release(child_partition_charge);
}

/// Marks pages as on their way, as far as nothing stands against it.
ListProgress Children::reserve(Partition& child, std::span<std::uint64_t const> pages)
try {
    constexpr auto page_numbers = std::uint64_t{1} << 52;
    auto in_use = parent_.overlay_pages();
    std::lock_guard const guard{lock_};
    for (auto const page : mapped_among(pages))
        in_use.push_back(page);
    auto& state = *child.child();
    if (!state.takes_deposits()) return {Status::InvalidPartitionState, 0};
    auto const room = state.pool_pages.size() + state.pages_under_way + pages.size();
    if (room > state.pool_pages.capacity()) state.pool_pages.reserve(2 * room);
    auto const refused = [&](std::uint64_t page) {
        if (page >= page_numbers || !parent_.memory().page(Gpa{page * page_size})) return Status::OperationDenied;
        if (std::ranges::find(in_use, page) != in_use.end()) return Status::ObjectInUse;
        return ledger_.begin_deposit(page);
    };
    ListProgress progress{Status::Success, 0};
    while (progress.done < pages.size() && progress.status == Status::Success) {
        progress.status = refused(pages[progress.done]);
        if (progress.status == Status::Success) ++progress.done;
    }
    state.pages_under_way += progress.done;
    return progress;
} catch (std::bad_alloc const&) { // before any was marked
    return {Status::NoResources, 0};
}

ListProgress Children::deposit(Partition& child, std::span<std::uint64_t const> pages)
{
    auto progress = reserve(child, pages);
    auto const taken = pages.first(progress.done);
    bool const hidden = taken.empty() || host_.hide(taken);
    if (!hidden) progress = {Status::NoResources, 0};

    std::lock_guard const guard{lock_};
    auto& state = *child.child();
    state.pages_under_way -= taken.size();
    for (auto const page : taken) {
        if (!hidden) {
            ledger_.cancel_deposit(page);
            continue;
        }
        ledger_.finish_deposit(page);
        state.pool_pages.push_back(page); // there is room
        child.pool().grow(page_size);
    }
    tell_counters(child);
    return progress;
}

ListProgress Children::withdraw(Partition& child, std::span<std::uint64_t> pages)
{
    std::size_t taken = 0;
    {
        std::lock_guard const guard{lock_};
        auto& state = *child.child();
        while (taken < pages.size() && !state.pool_pages.empty() && child.pool().shrink(page_size)) {
            pages[taken] = state.pool_pages.back();
            state.pool_pages.pop_back();
            ledger_.begin_withdrawal(pages[taken++]);
        }
        state.pages_under_way += taken;
    }
    auto const given = pages.first(taken);
    if (taken != 0) host_.show(given);

    std::lock_guard const guard{lock_};
    child.child()->pages_under_way -= taken;
    for (auto const page : given)
        ledger_.finish_withdrawal(page);
    tell_counters(child);
    return {taken == pages.size() ? Status::Success : Status::NoResources, taken};
}

Children::Balance Children::balance(Partition& child) const
{
    std::lock_guard const guard{lock_};
    auto const available = child.pool().free_bytes() / page_size;
    return {available, child.child()->pool_pages.size() - available};
}

Status Children::set_rights(Partition& child, std::uint64_t privileges)
{
    auto may = parent_.rights().privileges();
    if (!child.children()) may &= ~(std::uint64_t{1} << static_cast<unsigned>(Privilege::CreatePartitions));
    if ((privileges & ~may) != 0) return Status::PropertyValueOutOfRange;
    auto rights = child.rights();
    for (unsigned bit = 0; bit < 64; ++bit)
        rights.set(Privilege{bit}, (privileges >> bit & 1) != 0);
    return grant(child, rights);
}

Status Children::set_processor_features(Partition& child, std::uint64_t features)
{
    // Linux, include/hyperv/hvhdk.h, hv_partition_synthetic_processor_features: by its bits, what they stand for.
    constexpr std::array<std::pair<unsigned, Privilege>, 5> privileges{{{6, Privilege::AccessIntrCtrlRegs},
                                                                        {7, Privilege::AccessHypercallMsrs},
                                                                        {8, Privilege::AccessVpIndex},
                                                                        {20, Privilege::StartVirtualProcessor},
                                                                        {29, Privilege::SignalEvents}}};
    constexpr std::array<std::pair<unsigned, std::string_view>, 10> offers{{{2, "vp-runtime"},
                                                                            {3, "time-ref-count"},
                                                                            {4, "synic"},
                                                                            {5, "stimer"},
                                                                            {9, "reference-tsc"},
                                                                            {10, "guest-idle"},
                                                                            {11, "frequency"},
                                                                            {22, "stimer-direct"},
                                                                            {24, "ex-processor-masks"},
                                                                            {26, "cluster-ipi"}}};
    Rights rights;
    for (auto const& [bit, privilege] : privileges)
        rights.set(privilege, (features >> bit & 1) != 0);
    for (auto const& [bit, name] : offers)
        (void)apply(rights, feature_names(), name, (features >> bit & 1) != 0);
    return grant(child, rights & parent_.rights());
}

Status Children::grant(Partition& child, Rights const& rights)
{
    std::lock_guard const guard{lock_};
    if (child.child()->stage != Child::Stage::Uninitialized) return Status::InvalidPartitionState;
    child.grant(rights);
    return Status::Success;
}

void Children::end_all()
{
    std::vector<std::shared_ptr<Partition>> all;
    {
        std::lock_guard const guard{lock_};
        all.swap(children_);
    }
    for (auto const& child : all) {
        end_vps(*child);
        parent_.registry().remove(*child);
        parent_.pool().release(child_partition_charge);
    }
}

unsigned Children::count() const
{
    std::lock_guard const guard{lock_};
    return static_cast<unsigned>(children_.size());
}

std::vector<std::shared_ptr<Partition>> Children::all() const
{
    std::lock_guard const guard{lock_};
    return children_;
}

std::size_t Children::deposited_pages() const
{
    std::lock_guard const guard{lock_};
    return ledger_.deposited();
}

} // namespace hv
