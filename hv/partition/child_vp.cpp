#include "hv/partition/child_vp.hpp"

#include "hv/partition/child.hpp"
#include "hv/partition/children.hpp"
#include "hv/partition/communication.hpp"
#include "hv/partition/intercept_message.hpp"
#include "hv/partition/partition.hpp"

#include <mutex>
#include <new>
#include <utility>

namespace hv {

namespace {

constexpr Sint intercept_sint{0}; // 2.0a §14.2.6

} // namespace

ChildVp::ChildVp(Family family, VpIndex index, std::unique_ptr<ChildProcessor> processor, bool has_message_page)
    : family_{family},
      processor_{std::move(processor)},
      vp_{family.child, family.child, index, processor_->control()},
      has_message_page_{has_message_page}
{
    vp_.suspend_by(suspension_, register_page_);
    if (has_message_page_) message_page_.fill({});
}

ChildVp::~ChildVp() = default;

void ChildVp::begin()
{
    vp_.requests().open();
    processor_->begin(vp_, *this);
    family_.child.set_vp(vp_.index(), &vp_);
}

void ChildVp::end()
{
    family_.child.set_vp(vp_.index(), nullptr);
    processor_->end();
    family_.child.wait_for_visits(); // of whoever had found it before
    vp_.synic().withdraw_all();
    family_.child.wait_for_visits(); // of whoever was just withdrawing a message of its own
    withdraw_messages();
    (void)hide_page(abi::VpStatePage::InterceptMessage);
    (void)hide_page(abi::VpStatePage::Registers);
}

/// The parent's VPs stay while it is visited.
void ChildVp::withdraw_messages()
{
    Partition::Visit const visit{family_.parent};
    if (buffer_.in_use) buffer_.synic->withdraw(buffer_);
    for (auto& [vector, buffer] : eoi_buffers_)
        if (buffer.in_use) buffer.synic->withdraw(buffer);
}

bool ChildVp::rang(Gpa gpa, std::span<std::byte const> data)
{
    auto const rung = family_.child.child()->doorbells.rung_by(gpa, data);
    for (std::size_t i = 0; i < rung.count; ++i)
        communication::ring(family_.child, rung.ids.at(i));
    return rung.count != 0;
}

bool ChildVp::suspended() const
{
    return suspension_.suspended() || family_.child.child()->frozen();
}

void ChildVp::intercepted(Intercept const& intercept)
{
    auto const kind = family_.child.child()->siblings.describe(family_.child, intercept);
    auto message = intercept_message(vp_, kind, intercept);
    message.header.origin = family_.child.id().value;
    count(intercept.kind);
    suspension_.intercept();
    register_page_.open(vp_.control());
    if (!has_message_page_) return post(message, buffer_);
    {
        std::lock_guard const guard{lock_};
        message_page_.write(&message, sizeof message);
    }
    post(opaque_message(vp_, family_.child.id()), buffer_);
}

void ChildVp::count(Intercept::Kind kind)
{
    using enum Intercept::Kind;
    switch (kind) {
    case PortAccess: ++counters_.ports; break;
    case MemoryAccess: ++counters_.memory; break;
    case MsrAccess: ++counters_.msrs; break;
    case Halt: ++counters_.halts; break;
    case UnrecoverableException: ++counters_.others; break;
    }
    tell_counters();
}

/// Of its statistics page. What causes no message is not counted.
void ChildVp::tell_counters()
{
    namespace counter = abi::vp_counter;
    auto& siblings = family_.child.child()->siblings;
    if (!siblings.tells_counters()) return;
    auto const& [ports, memory, msrs, halts, others, eois] = counters_;
    abi::StatsCounter const told[] = {{counter::run_time, processor_->control().runtime_100ns()},
                                      {counter::io_instructions, ports},
                                      {counter::hlt_instructions, halts},
                                      {counter::msr_accesses, msrs},
                                      {counter::other_intercepts, others},
                                      {counter::io_messages, ports},
                                      {counter::memory_messages, memory},
                                      {counter::apic_eois, eois},
                                      {counter::other_messages, msrs + halts + others},
                                      {counter::page_fault_intercepts, memory}};
    siblings.tell_counters(family_.child, vp_.index(), told);
}

/// Whoever has mapped a message page is Linux, which leaves such a message in its slot, and hears of no intercept any
/// more, unless a monitor waits for the end of just this interrupt (mshv_intercept_isr).
void ChildVp::ended(std::uint8_t vector)
try {
    ++counters_.eois;
    tell_counters();
    if (has_message_page_) return;
    post(eoi_message(vp_, family_.child.id(), vector), eoi_buffers_[vector]);
} catch (std::bad_alloc const&) {
    // lost, as when nobody listens
}

void ChildVp::post(abi::Message const& message, MessageBuffer& buffer)
{
    Partition::Visit const visit{family_.parent};
    auto* const synic = hearer();
    if (buffer.in_use && buffer.synic != synic) buffer.synic->withdraw(buffer);
    if (!synic) return;
    PendingInterrupts pending;
    synic->post_own(intercept_sint, message, buffer, pending);
    synic->raise(pending);
}

/// Any VP of the parent's whose SynIC takes messages (2.0a §14.2.4), before all the one that has dealt with this one
/// last; where none does, the message waits for the first. nullptr when the parent has no VP any more.
Synic* ChildVp::hearer() const
{
    auto& parent = family_.parent;
    auto* const last = parent.vp(suspension_.parents_vp());
    if (last && last->synic().accepts_messages()) return &last->synic();
    VirtualProcessor* first = nullptr;
    for (std::uint32_t index = 0; index < parent.vp_indices(); ++index) {
        auto* const vp = parent.vp(VpIndex{index});
        if (vp && vp->synic().accepts_messages()) return &vp->synic();
        if (!first) first = vp;
    }
    return first ? &first->synic() : nullptr;
}

Status ChildVp::show_page(abi::VpStatePage type, std::uint64_t page)
{
    if (page >= GpaMap::pages) return Status::InvalidParameter;
    auto const& memory = family_.parent.memory();
    Gpa const gpa{page * page_size};
    if (type == abi::VpStatePage::Registers) return register_page_.show(memory, gpa);
    if (!has_message_page_) return Status::InvalidParameter;
    std::lock_guard const guard{lock_};
    if (message_page_.host()) return Status::InvalidVpState;
    return message_page_.map(memory, gpa) ? Status::Success : Status::InvalidParameter;
}

Status ChildVp::hide_page(abi::VpStatePage type)
{
    if (type == abi::VpStatePage::Registers) return register_page_.hide();
    std::lock_guard const guard{lock_};
    if (!message_page_.host()) return Status::InvalidVpState;
    message_page_.unmap();
    return Status::Success;
}

} // namespace hv
