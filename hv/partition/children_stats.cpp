/// Statistics pages that a parent has mapped, of itself and of its children.
#include "hv/partition/children.hpp"
#include "hv/partition/partition.hpp"

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
    if (made.overlay.map(parent_.memory(), Gpa{page * page_size})) return Status::Success;
    stats_.erase(name);
    return Status::InvalidParameter;
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
    return Status::Success;
}

/// Of a child that is no more. With lock_ held.
void Children::forget_stats(std::uint64_t partition)
{
    for (auto at = stats_.begin(); at != stats_.end();) {
        if (at->first.identity.partition == partition) {
            at->second.overlay.unmap();
            at = stats_.erase(at);
        } else {
            ++at;
        }
    }
}

} // namespace hv
