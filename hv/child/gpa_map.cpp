#include "hv/child/gpa_map.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace hv {

namespace {

std::uint64_t source_at(GpaRun const& run, std::uint64_t page)
{
    return run.access == GpaAccess::None ? GpaRun::no_page : run.source + (page - run.page);
}

/// The part of a run from `first` on and before `end`; both lie in it.
GpaRun part(GpaRun const& run, std::uint64_t first, std::uint64_t end)
{
    return {first, source_at(run, first), end - first, run.access};
}

/// `behind` begins where `run` ends.
bool continues(GpaRun const& run, GpaRun const& behind)
{
    return run.access == behind.access && (run.access == GpaAccess::None || run.source + run.count == behind.source);
}

bool may_join(GpaRun const& run, GpaRun const& behind)
{
    return continues(run, behind) && run.count + behind.count <= GpaMap::longest_joined;
}

std::vector<GpaRun> runs_of(std::uint64_t base, std::span<std::uint64_t const> sources, GpaAccess access)
{
    if (access == GpaAccess::None) return {{base, GpaRun::no_page, sources.size(), access}};
    std::vector<GpaRun> runs;
    for (std::size_t i = 0; i < sources.size(); ++i) {
        GpaRun const one{base + i, sources[i], 1, access};
        if (!runs.empty() && continues(runs.back(), one))
            ++runs.back().count;
        else
            runs.push_back(one);
    }
    return runs;
}

} // namespace

GpaChange GpaMap::map(std::uint64_t base, std::span<std::uint64_t const> sources, GpaAccess access)
{
    return replace(base, sources.size(), runs_of(base, sources, access));
}

GpaChange GpaMap::unmap(std::uint64_t base, std::uint64_t count)
{
    return replace(base, count, {});
}

/// What a run loses goes as a whole, and what is left of it comes anew.
GpaChange GpaMap::replace(std::uint64_t base, std::uint64_t count, std::vector<GpaRun> fresh)
{
    GpaChange change;
    auto const end = base + count;
    auto run = runs_.upper_bound(base);
    if (run != runs_.begin() && std::prev(run)->second.end() > base) --run;
    std::vector<GpaRun> behind;
    for (; run != runs_.end() && run->first < end; ++run) {
        auto const& old = run->second;
        change.removed.push_back(old);
        if (old.page < base) change.added.push_back(part(old, old.page, base));
        if (old.end() > end) behind.push_back(part(old, end, old.end()));
    }
    if (!fresh.empty() && change.added.empty()) { // whoever ends at `base` was not cut
        if (auto const* const before = ending_at(base); before && may_join(*before, fresh.front())) {
            change.removed.insert(change.removed.begin(), *before);
            change.added.push_back(*before);
        }
    }
    if (!fresh.empty() && behind.empty() && run != runs_.end() && run->first == end &&
        may_join(fresh.back(), run->second)) {
        change.removed.push_back(run->second);
        behind.push_back(run->second);
    }
    for (auto* const list : {&fresh, &behind}) {
        for (auto const& next : *list) {
            bool const joins = !change.added.empty() && change.added.back().end() == next.page &&
                               may_join(change.added.back(), next);
            if (joins)
                change.added.back().count += next.count;
            else
                change.added.push_back(next);
        }
    }
    apply(change.removed, change.added);
    return change;
}

GpaRun const* GpaMap::ending_at(std::uint64_t page) const
{
    auto const behind = runs_.lower_bound(page);
    if (behind == runs_.begin()) return nullptr;
    auto const& run = std::prev(behind)->second;
    return run.end() == page ? &run : nullptr;
}

/// Makes what it adds beforehand, so that a host without memory finds it unchanged.
void GpaMap::apply(std::span<GpaRun const> removed, std::span<GpaRun const> added)
{
    Runs fresh;
    for (auto const& run : added)
        fresh.emplace(run.page, run);
    for (auto const& run : removed)
        runs_.erase(run.page);
    runs_.merge(fresh);
    reachable_ = reachable_ - reachable(removed) + reachable(added);
}

std::uint64_t GpaMap::reachable(std::span<GpaRun const> runs)
{
    std::uint64_t pages = 0;
    for (auto const& run : runs)
        if (run.access != GpaAccess::None) pages += run.count;
    return pages;
}

void GpaMap::undo(GpaChange const& change)
{
    apply(change.added, change.removed);
}

std::optional<GpaRun> GpaMap::find(std::uint64_t page) const
{
    auto const behind = runs_.upper_bound(page);
    if (behind == runs_.begin()) return std::nullopt;
    auto const& run = std::prev(behind)->second;
    if (page >= run.end()) return std::nullopt;
    return run;
}

void GpaMap::mark_sources(std::span<std::uint64_t const> sorted, std::vector<bool>& marks) const
{
    for (auto const& [page, run] : runs_) {
        if (run.access == GpaAccess::None) continue;
        auto at = static_cast<std::size_t>(std::ranges::lower_bound(sorted, run.source) - sorted.begin());
        for (; at < sorted.size() && sorted[at] < run.source + run.count; ++at)
            marks[at] = true;
    }
}

std::vector<GpaRun> GpaMap::all() const
{
    std::vector<GpaRun> out;
    for (auto const& [page, run] : runs_)
        out.push_back(run);
    return out;
}

} // namespace hv
