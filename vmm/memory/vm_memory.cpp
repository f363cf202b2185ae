#include "vmm/memory/vm_memory.hpp"

#include "vmm/hypervisor/error.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace vmm {

namespace {

bool is_memory(MemorySection const& section)
{
    auto const type = section.contents.type;
    return type == MemoryType::Ram || type == MemoryType::Rom || type == MemoryType::Video;
}

std::uint64_t end_of(MemoryRange const& range)
{
    return range.base.value + range.size;
}

/// The runs of ones in a bitmap of pages from `base` on.
void add_runs(std::vector<MemoryRange>& runs, hv::Gpa base, std::span<std::uint64_t const> bitmap)
{
    constexpr std::uint64_t pages_per_word = 64;
    for (std::size_t n = 0; n < bitmap.size(); ++n) {
        auto const at = base.value + n * pages_per_word * hv::page_size;
        for (auto left = bitmap[n]; left != 0;) {
            auto const first = static_cast<unsigned>(std::countr_zero(left));
            auto const count = static_cast<unsigned>(std::countr_one(left >> first));
            runs.push_back({hv::Gpa{at + first * hv::page_size}, count * hv::page_size});
            left = first + count == pages_per_word ? 0 : left >> (first + count) << (first + count);
        }
    }
}

std::vector<MemoryRange> merged(std::vector<MemoryRange> runs)
{
    std::ranges::sort(runs, {}, [](MemoryRange const& run) { return run.base.value; });
    std::vector<MemoryRange> out;
    for (auto const& run : runs) {
        if (!out.empty() && run.base.value <= end_of(out.back()))
            out.back().size = std::max(end_of(out.back()), end_of(run)) - out.back().base.value;
        else
            out.push_back(run);
    }
    return out;
}

/// The pages of `section` that were not there before, in one of `others`.
void add_new(std::vector<MemoryRange>& runs, MemorySection const& section, std::span<MemorySection const> others)
{
    auto at = section.range.base.value;
    auto const end = end_of(section.range);
    for (auto const& other : others) { // ascending
        auto const from = std::max(at, other.range.base.value);
        auto const to = std::min(end, end_of(other.range));
        bool const same =
            other.contents.type == section.contents.type &&
            other.contents.host - other.range.base.value == section.contents.host - section.range.base.value;
        if (from >= to || !same) continue;
        if (from > at) runs.push_back({hv::Gpa{at}, from - at});
        at = to;
    }
    if (at < end) runs.push_back({hv::Gpa{at}, end - at});
}

} // namespace

VmMemory::VmMemory(Vm& vm, AddressSpace& space, EntryGate& gate) : vm_{vm}, space_{space}, gate_{gate}
{
    space_.listen(*this);
}

VmMemory::~VmMemory()
{
    space_.stop_listening(*this);
}

void VmMemory::map(MemorySection const& section)
{
    if (!is_memory(section)) return;
    bool const is_ram = section.contents.type == MemoryType::Ram;
    vm_.map({.base = section.range.base,
             .host = {section.contents.host, section.range.size},
             .read_only = section.contents.type == MemoryType::Rom,
             .logs_writes = logging_ && is_ram});
    mapped_[section.range.base] = section;
}

void VmMemory::unmap(MemorySection const& section)
{
    if (!is_memory(section)) return;
    keep_log_of(section);
    vm_.unmap(section.range.base);
    mapped_.erase(section.range.base);
}

/// Memory that goes for good, or comes anew, leaves nothing half done.
void VmMemory::map_changed(std::span<MemorySection const> removed, std::span<MemorySection const> added)
{
    std::lock_guard const guard{lock_};
    if (std::ranges::none_of(removed, is_memory) || std::ranges::none_of(added, is_memory))
        return change(removed, added);
    EntryGate::Closed const closed{gate_};
    change(removed, added);
}

void VmMemory::change(std::span<MemorySection const> removed, std::span<MemorySection const> added)
{
    replace(removed, added);
    if (!logging_) return;
    for (auto const& section : added) {
        if (section.contents.type == MemoryType::Ram) add_new(written_, section, removed);
    }
}

/// What has been done before something fails is done backwards.
void VmMemory::replace(std::span<MemorySection const> removed, std::span<MemorySection const> added)
{
    for (auto const& section : removed)
        unmap(section);
    auto next = added.begin();
    try {
        for (; next != added.end(); ++next)
            map(*next);
    } catch (...) {
        while (next != added.begin())
            unmap(*--next);
        for (auto const& section : removed)
            map(section);
        throw;
    }
}

void VmMemory::keep_log_of(MemorySection const& section)
{
    if (!logging_ || section.contents.type != MemoryType::Ram) return;
    add_runs(written_, section.range.base, vm_.take_dirty_pages(section.range.base));
}

void VmMemory::begin_log()
{
    std::lock_guard const guard{lock_};
    if (logging_) return;
    try {
        set_logging(true);
    } catch (HypervisorError const&) {
        logging_ = false; // some mappings may go on noting what nobody asks for
        throw;
    }
}

void VmMemory::end_log()
{
    std::lock_guard const guard{lock_};
    if (!logging_) return;
    set_logging(false);
    written_.clear();
}

/// The mappings stay as they are.
void VmMemory::set_logging(bool on)
{
    logging_ = on;
    for (auto const& [base, section] : mapped_) {
        if (section.contents.type == MemoryType::Ram)
            vm_.map({.base = base, .host = {section.contents.host, section.range.size}, .logs_writes = on});
    }
}

std::vector<MemoryRange> VmMemory::take_log()
{
    std::lock_guard const guard{lock_};
    if (!logging_) return {};
    for (auto const& [base, section] : mapped_)
        keep_log_of(section);
    return merged(std::exchange(written_, {}));
}

} // namespace vmm
