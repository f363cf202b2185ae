/// The guest-physical address space of children (TLFS 2.0a §8.3).
#include "hv/hypercall/calls/calls.hpp"
#include "hv/hypercall/calls/own_child.hpp"
#include "hv/partition/children.hpp"

#include <array>
#include <optional>

namespace hv::calls {

namespace {

namespace flag = abi::map_flag;

constexpr std::uint64_t pages_per_large = 512;

/// What may be done with the pages, or nothing for a combination that there is not (§8.1.2). Whether code of the
/// kernel or the user's may execute is one right here, and each that can read can execute.
std::optional<GpaAccess> access_of(std::uint32_t flags)
{
    constexpr auto known = flag::readable | flag::writable | flag::kernel_executable | flag::user_executable |
                           flag::adjustable | flag::no_access | flag::no_overlay | flag::not_cached |
                           flag::large_page;
    constexpr auto rights = flag::readable | flag::writable | flag::kernel_executable | flag::user_executable;
    if ((flags & ~known) != 0) return std::nullopt;
    if ((flags & rights) == 0) return GpaAccess::None;
    if ((flags & flag::no_access) != 0 || (flags & flag::readable) == 0) return std::nullopt;
    return (flags & flag::writable) != 0 ? GpaAccess::ReadWrite : GpaAccess::Read;
}

/// A range of the child's pages from `base` on, `start` elements of which are done. No value when it is not aligned,
/// or ends beyond the address space.
std::optional<std::uint64_t> first_page(std::uint64_t base, std::uint64_t start, std::uint64_t count,
                                        std::uint64_t pages_each)
{
    if (base % pages_each != 0 || base >= GpaMap::pages) return std::nullopt;
    auto const first = base + start * pages_each;
    if (first + count * pages_each > GpaMap::pages) return std::nullopt;
    return first;
}

/// One large page of the parent's at `base`.
ListProgress map_large(Children& all, Partition& child, std::uint64_t base, std::uint64_t source, GpaAccess access)
{
    if (access != GpaAccess::None && source % pages_per_large != 0) return {Status::InvalidParameter, 0};
    std::array<std::uint64_t, pages_per_large> pages{};
    for (std::size_t i = 0; i < pages.size(); ++i)
        pages[i] = source + i;
    return all.map(child, base, pages, access);
}

} // namespace

/// HvMapGpaPages (§8.3.1; call code 0x004B, rep). Each element of a call for large pages is one of 2 MiB, by the
/// number of its first page.
Progress map_gpa_pages(Caller const& caller, abi::MapGpaPagesInput const& in, std::span<std::uint64_t const> pages)
{
    Progress progress{Status::Success, 0};
    progress.status = with_own_child(caller, in.partition, [&](Children& all, Partition& child) {
        auto const access = access_of(in.flags);
        bool const large = (in.flags & flag::large_page) != 0;
        auto const pages_each = large ? pages_per_large : 1;
        auto const base = first_page(in.base, caller.rep_start, pages.size(), pages_each);
        if (!access || !base) return Status::InvalidParameter;
        if (!large) {
            auto const done = all.map(child, *base, pages, *access);
            progress.done = done.done;
            return done.status;
        }
        for (auto const source : pages) {
            auto const at = *base + progress.done * pages_per_large;
            if (auto const done = map_large(all, child, at, source, *access); done.status != Status::Success)
                return done.status;
            ++progress.done;
        }
        return Status::Success;
    });
    return progress;
}

/// HvCallMapSparseGpaPages (newest; call code 0x006E, rep). One page after the other.
Progress map_sparse_gpa_pages(Caller const& caller, abi::SparseGpaPagesInput const& in,
                              std::span<abi::GpaMapping const> pages)
{
    Progress progress{Status::Success, 0};
    progress.status = with_own_child(caller, in.partition, [&](Children& all, Partition& child) {
        auto const access = access_of(in.flags);
        bool const large = (in.flags & flag::large_page) != 0;
        if (!access || in.reserved != 0) return Status::InvalidParameter;
        for (auto const& page : pages) {
            if (!first_page(page.target, 0, 1, large ? pages_per_large : 1)) return Status::InvalidParameter;
            auto const done = large ? map_large(all, child, page.target, page.source, *access)
                                    : all.map(child, page.target, std::span{&page.source, 1}, *access);
            if (done.status != Status::Success) return done.status;
            ++progress.done;
        }
        return Status::Success;
    });
    return progress;
}

/// HvCallModifySparseGpaPages (newest; call code 0x0090, rep). Of small pages.
Progress modify_sparse_gpa_pages(Caller const& caller, abi::SparseGpaPagesInput const& in,
                                 std::span<std::uint64_t const> pages)
{
    Progress progress{Status::Success, 0};
    progress.status = with_own_child(caller, in.partition, [&](Children& all, Partition& child) {
        auto const access = access_of(in.flags);
        if (!access || (in.flags & flag::large_page) != 0 || in.reserved != 0) return Status::InvalidParameter;
        for (auto const page : pages) {
            if (page >= GpaMap::pages) return Status::InvalidParameter;
            if (auto const done = all.change_rights(child, page, *access); done != Status::Success) return done;
            ++progress.done;
        }
        return Status::Success;
    });
    return progress;
}

/// HvUnmapGpaPages (§8.3.2; call code 0x004C, rep, without a list). Nothing is kept committed, whatever is asked for.
Progress unmap_gpa_pages(Caller const& caller, abi::UnmapGpaPagesInput const& in, RepCount count)
{
    constexpr auto known = abi::unmap_flag::keep_precommitted | abi::unmap_flag::large_page;
    auto const status = with_own_child(caller, in.partition, [&](Children& all, Partition& child) {
        auto const pages_each = (in.flags & abi::unmap_flag::large_page) != 0 ? pages_per_large : 1;
        auto const base = first_page(in.base, caller.rep_start, count.value, pages_each);
        if (!base || (in.flags & ~known) != 0) return Status::InvalidParameter;
        return all.unmap(child, *base, count.value * pages_each);
    });
    return {status, status == Status::Success ? count.value : 0};
}

/// HvCallGetGpaPagesAccessStates (Linux, include/hyperv/hvhdk_mini.h; call code 0x00C9, rep, without an input list).
Progress get_gpa_pages_access_states(Caller const& caller, abi::GetGpaPagesAccessStatesInput const& in,
                                     std::span<std::uint8_t> states)
{
    namespace flag = abi::access_flag;
    constexpr auto known = flag::clear_accessed | flag::set_accessed | flag::clear_dirty | flag::set_dirty;
    auto const status = with_own_child(caller, in.partition, [&](Children& all, Partition& child) {
        auto const base = first_page(in.base, caller.rep_start, states.size(), 1);
        bool const contradict = (in.flags & flag::clear_accessed && in.flags & flag::set_accessed) ||
                                (in.flags & flag::clear_dirty && in.flags & flag::set_dirty);
        if (!base || (in.flags & ~known) != 0 || contradict) return Status::InvalidParameter;
        return all.access_states(child, *base, in.flags, states);
    });
    return {status, status == Status::Success ? states.size() : 0};
}

} // namespace hv::calls
