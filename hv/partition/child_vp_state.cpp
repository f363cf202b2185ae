/// State of a child's VP as its parent saves and restores it. All of this is on the VP's own thread.
#include "hv/child/local_apic_state.hpp"
#include "hv/child/xsave_area.hpp"
#include "hv/partition/child.hpp"
#include "hv/partition/child_vp.hpp"
#include "hv/partition/partition.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace hv {

namespace {

using abi::RegisterName;
using abi::VpStateType;

template <typename State>
std::vector<std::byte> bytes_of(State const& state)
{
    std::vector<std::byte> out(sizeof state);
    std::memcpy(out.data(), &state, sizeof state);
    return out;
}

/// From the front of `bytes`; nothing when they are too few.
template <typename State>
std::optional<State> state_in(std::span<std::byte const> bytes)
{
    State out{};
    if (bytes.size() < sizeof out) return std::nullopt;
    std::memcpy(&out, bytes.data(), sizeof out);
    return out;
}

RegisterName timer_register(std::size_t timer, unsigned which)
{
    return static_cast<RegisterName>(static_cast<std::uint32_t>(RegisterName::Stimer0Config) + 2 * timer + which);
}

bool all_zero(std::span<std::byte const> bytes)
{
    return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{}; });
}

} // namespace

/// Where the child has put one of its SynIC's pages; nullptr while it is nowhere.
std::byte* ChildVp::synic_page(VpStateType type)
{
    auto const name = type == VpStateType::MessagePage ? RegisterName::Simp : RegisterName::Siefp;
    auto const value = vp_.get_register(name);
    abi::PageRegister const page{value ? value->low : 0};
    return page.enabled() ? family_.child.memory().page(page.page()) : nullptr;
}

Result<std::vector<std::byte>> ChildVp::local_apic()
{
    LocalApicPage page{};
    if (!processor_->read_apic(page)) return Status::InvalidParameter;
    return bytes_of(state_of(page));
}

Result<std::vector<std::byte>> ChildVp::xsave(std::uint64_t flags, std::uint64_t states)
{
    XsaveLayout const layout{processor_->cpuid()};
    if (flags != 0 || (states & ~layout.components()) != 0) return Status::InvalidParameter;
    std::vector<std::byte> area(most_xsave_bytes);
    if (!processor_->read_xsave(area)) return Status::InvalidVpState;
    return layout.compacted(area, states);
}

std::vector<std::byte> ChildVp::timers()
{
    abi::SyntheticTimersState out{};
    for (std::size_t n = 0; n < out.timers.size(); ++n) {
        auto const config = vp_.get_register(timer_register(n, 0));
        auto const count = vp_.get_register(timer_register(n, 1));
        if (config) out.timers[n].config = config->low;
        if (count) out.timers[n].count = count->low;
    }
    return bytes_of(out);
}

Result<std::vector<std::byte>> ChildVp::get_state(abi::VpStateInput const& what)
try {
    switch (what.type) {
    case VpStateType::LocalApic: return local_apic();
    case VpStateType::Xsave: return xsave(what.xsave_flags, what.xsave_states);
    case VpStateType::MessagePage:
    case VpStateType::EventFlagsPage: {
        std::vector<std::byte> out(page_size);
        if (auto const* const page = synic_page(what.type)) copy_from_shared(out.data(), page, page_size);
        return out;
    }
    case VpStateType::SyntheticTimers: return timers();
    }
    return Status::InvalidParameter;
} catch (std::bad_alloc const&) {
    return Status::NoResources;
}

Status ChildVp::set_local_apic(abi::LocalApicState const& state)
{
    LocalApicPage page{};
    if (!processor_->read_apic(page) || state_of(page).id != state.id) return Status::InvalidParameter;
    put_state(page, state);
    return processor_->write_apic(page) ? Status::Success : Status::InvalidRegisterValue;
}

Status ChildVp::set_xsave(std::uint64_t flags, std::span<std::byte const> bytes)
{
    if (flags != 0) return Status::InvalidParameter;
    auto const area = XsaveLayout{processor_->cpuid()}.standard(bytes);
    if (!area) return Status::InvalidParameter;
    return processor_->write_xsave(*area) ? Status::Success : Status::InvalidRegisterValue;
}

/// The count first: a timer that is enabled begins with it.
Status ChildVp::set_timers(abi::SyntheticTimersState const& state)
{
    for (std::size_t n = 0; n < state.timers.size(); ++n) {
        auto const& timer = state.timers[n];
        bool const there = static_cast<bool>(vp_.get_register(timer_register(n, 0)));
        if (!there && timer.config == 0 && timer.count == 0) continue;
        for (auto const& [which, value] : {std::pair{0U, std::uint64_t{0}}, {1U, timer.count}, {0U, timer.config}}) {
            auto const status = vp_.set_register(timer_register(n, which), {value, 0});
            if (status != Status::Success) return status;
        }
    }
    return Status::Success;
}

Status ChildVp::set_state(abi::VpStateInput const& what, std::span<std::byte const> bytes)
try {
    vp_.registers_changed();
    switch (what.type) {
    case VpStateType::LocalApic: {
        auto const state = state_in<abi::LocalApicState>(bytes);
        return state ? set_local_apic(*state) : Status::InvalidParameter;
    }
    case VpStateType::Xsave: return set_xsave(what.xsave_flags, bytes);
    case VpStateType::MessagePage:
    case VpStateType::EventFlagsPage: {
        if (bytes.size() < page_size) return Status::InvalidParameter;
        auto* const page = synic_page(what.type);
        if (page) copy_to_shared(page, bytes.data(), page_size);
        return page || all_zero(bytes.first(page_size)) ? Status::Success : Status::InvalidVpState;
    }
    case VpStateType::SyntheticTimers: {
        auto const state = state_in<abi::SyntheticTimersState>(bytes);
        return state ? set_timers(*state) : Status::InvalidParameter;
    }
    }
    return Status::InvalidParameter;
} catch (std::bad_alloc const&) {
    return Status::NoResources;
}

} // namespace hv
