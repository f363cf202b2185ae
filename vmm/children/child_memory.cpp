#include "vmm/children/child_memory.hpp"

#include "vmm/base/log.hpp"
#include "vmm/hypervisor/error.hpp"

#include <span>
#include <vector>

namespace vmm {

bool ChildMemory::change(hv::GpaChange const& change)
try {
    EntryGate::Closed const closed{gate_};
    auto const before = looks_ ? look_at(change.removed) : std::vector<Mapped>{};
    replace(change.removed, change.added);
    carry_over(before, change.added);
    show();
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
        if (mapped_.erase(run.page) != 0) vm_.unmap(hv::Gpa{run.page * hv::page_size});
    auto next = added.begin();
    try {
        for (; next != added.end(); ++next)
            map(*next);
    } catch (...) {
        while (next != added.begin())
            if (--next; mapped_.erase(next->page) != 0) vm_.unmap(hv::Gpa{next->page * hv::page_size});
        for (auto const& run : removed)
            map(run);
        throw;
    }
}

/// The parent's RAM is contiguous on the host wherever its page numbers are: it has no gap within a run.
void ChildMemory::map(hv::GpaRun const& run)
{
    if (run.access == hv::GpaAccess::None) return;
    vm_.map(mapping_of(run));
    auto& mapped = mapped_[run.page];
    mapped = {run};
    if (looks_) mapped.set_all_dirty();
}

MemoryMapping ChildMemory::mapping_of(hv::GpaRun const& run) const
{
    return {.base = hv::Gpa{run.page * hv::page_size},
            .host = {parents_->ram_at(hv::Gpa{run.source * hv::page_size}), run.count * hv::page_size},
            .read_only = run.access == hv::GpaAccess::Read,
            .logs_writes = looks_};
}

void ChildMemory::show()
{
    std::vector<hv::GuestMemory::Region> readable;
    std::vector<hv::GuestMemory::Region> writable;
    for (auto const& [page, mapped] : mapped_) {
        auto const& run = mapped.run;
        hv::GuestMemory::Region const region{hv::Gpa{page * hv::page_size}, run.count * hv::page_size,
                                             parents_->ram_at(hv::Gpa{run.source * hv::page_size})};
        readable.push_back(region);
        if (run.access == hv::GpaAccess::ReadWrite) writable.push_back(region);
    }
    readable_.replace(readable);
    writable_.replace(writable);
}

} // namespace vmm
