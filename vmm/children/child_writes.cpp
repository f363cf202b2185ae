/// Which of its pages a child has written to. Who is the first to ask finds that all may have been, because nobody
/// has looked before; a page that is mapped later begins so as well.
#include "hv/abi/child.hpp"
#include "vmm/base/log.hpp"
#include "vmm/children/child_memory.hpp"

#include <algorithm>
#include <exception>
#include <iterator>

namespace vmm {

namespace {

constexpr std::uint64_t pages_per_word = 64;

std::uint64_t bit_of(std::uint64_t nth)
{
    return std::uint64_t{1} << nth % pages_per_word;
}

} // namespace

void ChildMemory::Mapped::set_all_dirty()
{
    dirty.assign((run.count + pages_per_word - 1) / pages_per_word, ~std::uint64_t{0});
}

bool ChildMemory::Mapped::is_dirty(std::uint64_t page) const
{
    auto const nth = page - run.page;
    return (dirty[nth / pages_per_word] & bit_of(nth)) != 0;
}

void ChildMemory::Mapped::set_dirty(std::uint64_t page, bool is)
{
    auto const nth = page - run.page;
    auto& word = dirty[nth / pages_per_word];
    word = is ? word | bit_of(nth) : word & ~bit_of(nth);
}

bool ChildMemory::access_states(std::uint64_t first, std::uint64_t flags, std::span<std::uint8_t> states)
try {
    std::lock_guard const family{family_lock()};
    if (!looks_) begin_to_look();
    tell(first, flags, states);
    return true;
} catch (std::exception const& error) {
    static RateLimit limit;
    warn_limited(limit, "what a guest's child writes to cannot be told: {}", error.what());
    return false;
}

void ChildMemory::begin_to_look()
{
    looks_ = true;
    try {
        for (auto& [page, mapped] : mapped_) {
            mapped.set_all_dirty();
            vm_.map(mapping_of(mapped));
        }
    } catch (...) {
        looks_ = false;
        throw;
    }
}

void ChildMemory::look_at(Mapped& mapped)
{
    auto const written = vm_.take_dirty_pages(hv::Gpa{mapped.run.page * hv::page_size});
    for (std::size_t i = 0; i < std::min(written.size(), mapped.dirty.size()); ++i)
        mapped.dirty[i] |= written[i];
}

/// What these runs are now: they are about to go.
std::vector<ChildMemory::Mapped> ChildMemory::look_at(std::span<hv::GpaRun const> runs)
{
    std::vector<Mapped> all;
    for (auto const& run : runs) {
        auto const end = mapped_.lower_bound(run.end());
        for (auto at = mapped_.lower_bound(run.page); at != end; ++at) {
            look_at(at->second);
            all.push_back(at->second);
        }
    }
    return all;
}

/// A page that lay there before is as it was.
void ChildMemory::carry_over(std::span<Mapped const> before, std::span<hv::GpaRun const> added)
{
    if (before.empty()) return;
    for (auto const& run : added) {
        auto const last = mapped_.lower_bound(run.end());
        for (auto fresh = mapped_.lower_bound(run.page); fresh != last; ++fresh)
            for (auto const& old : before)
                carry_over(old, fresh->second);
    }
}

void ChildMemory::carry_over(Mapped const& old, Mapped& fresh)
{
    if (old.run.source - old.run.page != fresh.run.source - fresh.run.page) return; // other pages of the parent's
    auto const end = std::min(old.run.end(), fresh.run.end());
    for (auto page = std::max(old.run.page, fresh.run.page); page < end; ++page)
        fresh.set_dirty(page, old.is_dirty(page));
}

void ChildMemory::tell(std::uint64_t first, std::uint64_t flags, std::span<std::uint8_t> states)
{
    namespace flag = hv::abi::access_flag;
    auto const end = first + states.size();
    std::ranges::fill(states, std::uint8_t{0});
    auto next = mapped_.upper_bound(first);
    if (next != mapped_.begin()) --next;
    for (; next != mapped_.end() && next->first < end; ++next) {
        auto& mapped = next->second;
        if (mapped.run.end() <= first) continue;
        look_at(mapped);
        for (auto page = std::max(first, mapped.run.page); page < std::min(end, mapped.run.end()); ++page) {
            auto& state = states[page - first];
            state = hv::abi::page_access::accessed;
            if (mapped.is_dirty(page)) state |= hv::abi::page_access::dirty;
            if ((flags & (flag::clear_dirty | flag::clear_accessed)) != 0) mapped.set_dirty(page, false);
            if ((flags & flag::set_dirty) != 0) mapped.set_dirty(page, true);
        }
    }
    for (auto const* const user : users())
        user->mark_writable(first, states);
}

void ChildMemory::mark_writable(std::uint64_t first, std::span<std::uint8_t> states) const noexcept
{
    auto const end = first + states.size();
    for (auto const& [at, mapped] : mapped_) {
        auto const& run = mapped.run;
        if (run.access != hv::GpaAccess::ReadWrite) continue;
        auto const last = std::min(end, run.source + run.count);
        for (auto page = std::max(first, run.source); page < last; ++page)
            states[page - first] |= hv::abi::page_access::dirty;
    }
}

} // namespace vmm
