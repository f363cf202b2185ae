#include "vmm/children/page_runs.hpp"

namespace vmm {

PageRuns::Runs::const_iterator PageRuns::reaching(std::uint64_t page) const
{
    auto const after = runs_.upper_bound(page);
    if (after == runs_.begin()) return after;
    auto const before = std::prev(after);
    return before->first + before->second > page ? before : after;
}

void PageRuns::add(std::uint64_t first, std::uint64_t count)
{
    auto end = first + count;
    auto at = reaching(first == 0 ? 0 : first - 1); // one that ends here is joined
    while (at != runs_.end() && at->first <= end) {
        first = std::min(first, at->first);
        end = std::max(end, at->first + at->second);
        at = runs_.erase(at);
    }
    runs_.emplace_hint(at, first, end - first);
}

void PageRuns::remove(std::uint64_t first, std::uint64_t count)
{
    auto const end = first + count;
    auto at = reaching(first);
    while (at != runs_.end() && at->first < end) {
        auto const begins = at->first;
        auto const ends = begins + at->second;
        at = runs_.erase(at);
        if (begins < first) runs_.emplace_hint(at, begins, first - begins);
        if (ends > end) at = runs_.emplace_hint(at, end, ends - end);
    }
}

bool PageRuns::intersects(std::uint64_t first, std::uint64_t count) const
{
    auto const at = reaching(first);
    return at != runs_.end() && at->first < first + count;
}

} // namespace vmm
