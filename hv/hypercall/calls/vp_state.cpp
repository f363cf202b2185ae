/// State of a child's VP that its parent saves and restores, as Linux makes the calls: no text has them.
#include "hv/abi/vp_state.hpp"

#include "hv/abi/vp_calls.hpp"
#include "hv/child/xsave_area.hpp"
#include "hv/hypercall/calls/calls.hpp"
#include "hv/hypercall/calls/on_child_vp.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <vector>

namespace hv::calls {

namespace {

using abi::VpStateType;

constexpr std::size_t most_pages = most_xsave_bytes / page_size;

bool good(abi::VpStateInput const& in)
{
    bool const reserved = (in.reserved0[0] | in.reserved0[1] | in.reserved0[2]) != 0 || in.reserved1 != 0;
    return !reserved && abi::names_vtl0(in.input_vtl);
}

/// The caller's pages, each RAM of its own.
Result<std::vector<std::byte*>> pages_of(Caller const& caller, std::span<std::uint64_t const> numbers)
{
    std::vector<std::byte*> out;
    for (auto const number : numbers.first(std::min(numbers.size(), most_pages))) {
        auto* const page = number < GpaMap::pages ? caller.partition.memory().page(Gpa{number * page_size}) : nullptr;
        if (!page) return Status::InvalidParameter;
        out.push_back(page);
    }
    return out;
}

/// Into the pages, of which the last is filled with zeroes.
Status spread(std::vector<std::byte> bytes, std::span<std::byte* const> pages)
{
    auto const needed = (bytes.size() + page_size - 1) / page_size;
    if (pages.size() < needed) return Status::InvalidParameter;
    bytes.resize(needed * page_size);
    for (std::size_t n = 0; n < needed; ++n)
        copy_to_shared(pages[n], bytes.data() + n * page_size, page_size);
    return Status::Success;
}

std::vector<std::byte> gathered(std::span<std::byte* const> pages)
{
    std::vector<std::byte> out(pages.size() * page_size);
    for (std::size_t n = 0; n < pages.size(); ++n)
        copy_from_shared(out.data() + n * page_size, pages[n], page_size);
    return out;
}

} // namespace

/// HvCallGetVpState (call code 0x00E3; variable header). Timers are in the output, all else is in the caller's pages.
Result<abi::SyntheticTimersState> get_vp_state(Caller const& caller, abi::VpStateInput const& in,
                                               std::span<std::uint64_t const> numbers)
try {
    std::vector<std::byte> state;
    auto status = on_child_vp(caller, in.partition, in.vp_index, [&](ChildVp& vp) {
        if (!good(in)) return Status::InvalidParameter;
        auto got = vp.get_state(in);
        if (got) state = std::move(*got);
        return got.status();
    });
    abi::SyntheticTimersState out{};
    if (status != Status::Success) return status;
    if (in.type == VpStateType::SyntheticTimers) {
        std::memcpy(&out, state.data(), sizeof out);
        return out;
    }
    auto const pages = pages_of(caller, numbers);
    if (!pages) return pages.status();
    status = spread(std::move(state), *pages);
    if (status != Status::Success) return status;
    return out;
} catch (std::bad_alloc const&) {
    return Status::NoResources;
}

/// HvCallSetVpState (call code 0x00E4; variable header). Timers follow the header, all else is in the caller's pages,
/// whose numbers do.
Status set_vp_state(Caller const& caller, abi::VpStateInput const& in, std::span<std::uint64_t const> words)
try {
    std::vector<std::byte> state;
    if (in.type == VpStateType::SyntheticTimers) {
        auto const bytes = std::as_bytes(words);
        state.assign(bytes.begin(), bytes.end());
    } else {
        auto const target = caller.target(in.partition); // who may not name it learns nothing of the pages
        if (!target) return target.status();
        auto const pages = pages_of(caller, words);
        if (!pages) return pages.status();
        state = gathered(*pages);
    }
    return on_child_vp(caller, in.partition, in.vp_index, [&](ChildVp& vp) {
        if (!good(in)) return Status::InvalidParameter;
        return vp.set_state(in, state);
    });
} catch (std::bad_alloc const&) {
    return Status::NoResources;
}

} // namespace hv::calls
