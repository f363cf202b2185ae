/// What a SynIC is made of, for whoever saves and restores it.
#include "hv/synic/synic.hpp"

#include <bit>
#include <mutex>

namespace hv {

Synic::Registers Synic::registers() const
{
    Registers all{scontrol(), simp_.word, siefp_.word, sirbp_.word, {}, ring_heads_};
    for (std::size_t i = 0; i < sint_count; ++i)
        all.sints[i] = sints_[i].word;
    return all;
}

void Synic::set_registers(Registers const& registers)
{
    scontrol_.store(registers.scontrol, std::memory_order_relaxed);
    simp_.word = registers.simp;
    siefp_.word = registers.siefp;
    sirbp_.word = registers.sirbp;
    std::uint32_t heard = 0;
    for (std::uint32_t i = 0; i < sint_count; ++i) {
        abi::SintRegister const wanted{registers.sints[i]};
        bool const allowed = wanted.masked() || wanted.vector() >= abi::SintRegister::lowest_vector;
        sints_[i] = allowed ? wanted : abi::SintRegister{};
        heard |= static_cast<std::uint32_t>(!sints_[i].closed()) << i;
    }
    heard_sints_.store(heard, std::memory_order_relaxed);
    ring_heads_ = registers.ring_heads;
    for (auto& head : ring_heads_)
        head %= abi::EventRing::length;
}

void Synic::visit_pages(StateVisitor& visitor)
{
    {
        VisitedNode const node{visitor, "message_page"};
        message_page_.visit(visitor, memory_, simp_.page());
    }
    {
        VisitedNode const node{visitor, "event_page"};
        event_page_.visit(visitor, memory_, siefp_.page());
    }
    VisitedNode const node{visitor, "ring_page"};
    ring_page_.visit(visitor, memory_, sirbp_.page());
}

Synic::Waiting Synic::waiting() const
{
    Waiting all;
    for (std::uint32_t i = 0; i < sint_count; ++i) {
        for (auto const* buffer = queues_[i].front(); buffer; buffer = buffer->next)
            all.messages.push_back({i, std::bit_cast<decltype(WaitingMessage::message)>(buffer->message)});
        if (!held_flags_) continue;
        auto const& flags = (*held_flags_)[i];
        for (unsigned flag = 0; flag < flags.size(); ++flag)
            all.held_flags[i][flag / 8] |= static_cast<std::uint8_t>(flags[flag] ? 1U << flag % 8 : 0);
    }
    all.held = held_flags_ != nullptr;
    return all;
}

void Synic::visit(StateVisitor& visitor, BufferFor const& buffer_for)
{
    Waiting waits;
    bool enabled_now = false;
    {
        std::lock_guard const guard{lock_};
        auto all = registers();
        hv::visit(visitor, all);
        if (visitor.restores()) set_registers(all);
        visit_pages(visitor);
        update_hints();
        waits = waiting();
        enabled_now = enabled();
    }
    hv::visit(visitor, "waiting", waits);
    if (!visitor.restores()) return;
    restore(waits, buffer_for);
    if (enabled_now) sink_.synic_enabled(vp_);
}

/// Buffers are looked for without the lock: a port's comes before it.
void Synic::restore(Waiting const& waiting, BufferFor const& buffer_for)
{
    for (auto const& one : waiting.messages) {
        auto const message = std::bit_cast<abi::Message>(one.message);
        bool const of_ring = message.header.type == abi::MessageType::SynicSintIntercept;
        Sint const rung{static_cast<std::uint32_t>(message.payload[0] % sint_count)};
        auto* const wanted = of_ring ? ring_notice(rung) : buffer_for(message);
        auto* const buffer = one.sint < sint_count ? wanted : nullptr;
        if (!buffer || buffer->in_use.load()) continue;
        std::lock_guard const guard{lock_};
        buffer->message = message;
        buffer->synic = this;
        buffer->sint = Sint{one.sint};
        buffer->in_use.store(true);
        queues_[one.sint].push(*buffer);
        queued_sints_.fetch_or(1U << one.sint, std::memory_order_release);
    }
    if (!waiting.held) return;
    hold();
    std::lock_guard const guard{lock_};
    for (std::uint32_t i = 0; i < sint_count; ++i) {
        auto& flags = (*held_flags_)[i];
        for (unsigned flag = 0; flag < flags.size(); ++flag)
            flags[flag] = (waiting.held_flags[i][flag / 8] >> flag % 8 & 1) != 0;
    }
}

} // namespace hv
