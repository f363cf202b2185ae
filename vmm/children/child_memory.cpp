#include "vmm/children/child_memory.hpp"

#include "vmm/base/log.hpp"
#include "vmm/hypervisor/error.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <iterator>
#include <utility>

namespace vmm {

ChildMemory::ChildMemory(Vm& vm, std::shared_ptr<ParentMemory> parents) : vm_{vm}, parents_{std::move(parents)}
{
    std::lock_guard const family{family_lock()};
    parents_->add(*this);
}

ChildMemory::~ChildMemory()
{
    std::lock_guard const family{family_lock()};
    parents_->remove(*this);
}

bool ChildMemory::change(hv::GpaChange const& change)
try {
    std::lock_guard const family{family_lock()};
    PageRuns changed;
    for (auto const* const runs : {&change.removed, &change.added})
        for (auto const& run : *runs)
            changed.add(run.page, run.count);
    {
        EntryGate::Closed const closed{gate_};
        auto const before = looks_ ? look_at(change.removed) : std::vector<Mapped>{};
        replace(change.removed, change.added);
        carry_over(before, change.added);
        publish();
    }
    tell_users(changed);
    return true;
} catch (std::exception const& error) {
    static RateLimit limit;
    warn_limited(limit, "memory of a guest's child could not be mapped: {}", error.what());
    return false;
}

/// What has been done before something fails is done backwards.
void ChildMemory::replace(std::span<hv::GpaRun const> removed, std::span<hv::GpaRun const> added)
{
    for (auto const& run : removed)
        forget(run);
    auto next = added.begin();
    try {
        for (; next != added.end(); ++next)
            want(*next);
    } catch (...) {
        while (next != added.begin())
            forget(*--next);
        for (auto const& run : removed)
            want(run);
        throw;
    }
}

void ChildMemory::want(hv::GpaRun const& run)
{
    if (run.access == hv::GpaAccess::None) return;
    wanted_.insert_or_assign(run.page, run);
    try {
        map_pieces(run);
    } catch (...) {
        forget(run);
        throw;
    }
}

void ChildMemory::forget(hv::GpaRun const& run)
{
    if (wanted_.erase(run.page) != 0) unmap_pieces(run);
}

void ChildMemory::map_pieces(hv::GpaRun const& run)
{
    parents_->for_each_piece(run.source, run.count, [&](Piece const& piece) {
        auto const begins = run.page + (piece.page - run.source);
        hidden_.for_each_gap(begins, piece.count, [&](std::uint64_t first, std::uint64_t count) {
            auto const access = piece.writable ? run.access : hv::GpaAccess::Read;
            auto const skipped = first - begins;
            map_piece({{first, piece.page + skipped, count, access}, piece.host + skipped * hv::page_size});
        });
    });
}

void ChildMemory::map_piece(Mapped piece)
{
    auto const page = piece.run.page;
    auto const made = mapped_.insert_or_assign(page, std::move(piece)).first;
    try {
        vm_.map(mapping_of(made->second));
        if (looks_) made->second.set_all_dirty();
    } catch (...) {
        vm_.unmap(hv::Gpa{page * hv::page_size});
        mapped_.erase(made);
        throw;
    }
}

void ChildMemory::unmap_pieces(hv::GpaRun const& run)
{
    auto at = mapped_.lower_bound(run.page);
    while (at != mapped_.end() && at->first < run.end()) {
        vm_.unmap(hv::Gpa{at->first * hv::page_size});
        at = mapped_.erase(at);
    }
}

MemoryMapping ChildMemory::mapping_of(Mapped const& piece) const
{
    return {.base = hv::Gpa{piece.run.page * hv::page_size},
            .host = {piece.host, piece.run.count * hv::page_size},
            .read_only = piece.run.access == hv::GpaAccess::Read,
            .logs_writes = looks_};
}

/// Those of the wanted runs that are meant lie over something else now. What cannot be mapped is not there until the
/// parent maps it again.
void ChildMemory::remake(std::function<bool(hv::GpaRun const&)> const& is_meant) noexcept
try {
    std::vector<hv::GpaRun> runs;
    PageRuns changed;
    for (auto const& [page, run] : wanted_) {
        if (!is_meant(run)) continue;
        runs.push_back(run);
        changed.add(run.page, run.count);
    }
    if (runs.empty()) return;
    {
        EntryGate::Closed const closed{gate_};
        auto const before = looks_ ? look_at(runs) : std::vector<Mapped>{};
        for (auto const& run : runs)
            map_anew(run);
        carry_over(before, runs);
        publish();
    }
    tell_users(changed);
} catch (std::exception const&) {
    lose_all();
}

void ChildMemory::map_anew(hv::GpaRun const& run)
{
    unmap_pieces(run);
    try {
        map_pieces(run);
    } catch (HypervisorError const& error) {
        unmap_pieces(run);
        static RateLimit limit;
        warn_limited(limit, "memory of a guest's child could not be mapped again: {}", error.what());
    }
}

void ChildMemory::parents_changed(PageRuns const& pages) noexcept
{
    remake([&](hv::GpaRun const& run) { return pages.intersects(run.source, run.count); });
}

/// The host has no memory for anything else: rather nothing than a page that is another's.
void ChildMemory::lose_all()
{
    {
        EntryGate::Closed const closed{gate_};
        for (auto const& [page, mapped] : mapped_)
            vm_.unmap(hv::Gpa{page * hv::page_size});
    }
    have_nothing();
}

void ChildMemory::end()
{
    std::lock_guard const family{family_lock()};
    have_nothing();
}

void ChildMemory::have_nothing()
{
    wanted_.clear();
    mapped_.clear();
    publish();
    PageRuns all;
    all.add(0, hv::GpaMap::pages);
    tell_users(all);
}

void ChildMemory::tell_users(PageRuns const& pages) const
{
    for (auto* const user : users())
        user->parents_changed(pages);
}

bool ChildMemory::hide(std::span<std::uint64_t const> pages)
try {
    std::lock_guard const family{family_lock()};
    auto hidden = hidden_;
    PageRuns these;
    for (auto const page : pages) {
        hidden.add(page);
        these.add(page);
    }
    if (hidden.size() > most_hidden_runs) return false;
    std::swap(hidden_, hidden);
    remake([&](hv::GpaRun const& run) { return these.intersects(run.page, run.count); });
    return true;
} catch (std::exception const& error) {
    static RateLimit limit;
    warn_limited(limit, "pages of a guest's child could not be taken for its children: {}", error.what());
    return false;
}

/// What cannot be changed back stays a hole.
void ChildMemory::show(std::span<std::uint64_t const> pages)
try {
    std::lock_guard const family{family_lock()};
    PageRuns these;
    for (auto const page : pages) {
        if (auto* const host = writable_page(page)) std::memset(host, 0, hv::page_size);
        hidden_.remove(page);
        these.add(page);
    }
    remake([&](hv::GpaRun const& run) { return these.intersects(run.page, run.count); });
} catch (std::exception const& error) {
    static RateLimit limit;
    warn_limited(limit, "pages of a guest's grandchildren could not be given back: {}", error.what());
}

/// Of what its parent has mapped, hidden or not; nullptr when there is nothing that may be written to.
std::byte* ChildMemory::writable_page(std::uint64_t page) const
{
    auto const after = wanted_.upper_bound(page);
    if (after == wanted_.begin()) return nullptr;
    auto const& run = std::prev(after)->second;
    if (page >= run.end() || run.access != hv::GpaAccess::ReadWrite) return nullptr;
    std::byte* found = nullptr;
    parents_->for_each_piece(run.source + (page - run.page), 1,
                             [&](Piece const& piece) { found = piece.writable ? piece.host : nullptr; });
    return found;
}

ChildMemory::MappedPieces::const_iterator ChildMemory::first_reaching(std::uint64_t page) const
{
    auto const after = mapped_.upper_bound(page);
    if (after == mapped_.begin()) return after;
    auto const before = std::prev(after);
    return before->second.run.end() > page ? before : after;
}

void ChildMemory::for_each_piece(std::uint64_t first, std::uint64_t count,
                                 std::function<void(Piece const&)> const& step) const
{
    auto const end = first + count;
    for (auto at = first_reaching(first); at != mapped_.end() && at->first < end; ++at) {
        auto const& [run, host, dirty] = at->second;
        auto const begins = std::max(first, run.page);
        step({begins, std::min(end, run.end()) - begins, host + (begins - run.page) * hv::page_size,
              run.access == hv::GpaAccess::ReadWrite});
    }
}

void ChildMemory::publish()
{
    std::vector<hv::GuestMemory::Region> readable;
    std::vector<hv::GuestMemory::Region> writable;
    for (auto const& [page, mapped] : mapped_) {
        hv::GuestMemory::Region const region{hv::Gpa{page * hv::page_size}, mapped.run.count * hv::page_size,
                                             mapped.host};
        readable.push_back(region);
        if (mapped.run.access == hv::GpaAccess::ReadWrite) writable.push_back(region);
    }
    readable_.replace(readable);
    writable_.replace(writable);
}

} // namespace vmm
