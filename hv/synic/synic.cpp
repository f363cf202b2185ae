#include "hv/synic/synic.hpp"

#include "hv/synic/slot.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <utility>

namespace hv {

namespace {

constexpr auto delivery_time_qword = offsetof(abi::TimerPayload, delivery_time) / sizeof(std::uint64_t);

} // namespace

Synic::Synic(VpIndex vp, GuestMemory const& memory, InterruptSink& sink, ReferenceTime const& time, Tracer* tracer)
    : vp_{vp}, memory_{memory}, sink_{sink}, time_{time}, tracer_{tracer}
{}

void Synic::set_scontrol(std::uint64_t value)
{
    PendingInterrupts pending;
    bool newly_enabled = false;
    {
        std::lock_guard const guard{lock_};
        auto const was_enabled = enabled();
        scontrol_.store(value, std::memory_order_relaxed);
        newly_enabled = enabled() && !was_enabled;
        update_hints();
        deliver_all(pending);
    }
    raise(pending);
    if (newly_enabled) sink_.synic_enabled(vp_);
}

void Synic::set_simp(std::uint64_t value)
{
    PendingInterrupts pending;
    {
        std::lock_guard const guard{lock_};
        simp_.word = value;
        if (simp_.enabled())
            message_page_.map(memory_, simp_.page());
        else
            message_page_.unmap();
        update_hints();
        deliver_all(pending);
    }
    raise(pending);
}

void Synic::set_siefp(std::uint64_t value)
{
    std::lock_guard const guard{lock_};
    siefp_.word = value;
    if (siefp_.enabled())
        event_page_.map(memory_, siefp_.page());
    else
        event_page_.unmap();
    update_hints();
}

void Synic::set_sirbp(std::uint64_t value)
{
    std::lock_guard const guard{lock_};
    sirbp_.word = value;
    if (sirbp_.enabled())
        ring_page_.map(memory_, sirbp_.page());
    else
        ring_page_.unmap();
    update_hints();
}

void Synic::list_overlays(std::vector<std::uint64_t>& pages)
{
    std::lock_guard const guard{lock_};
    for (auto const& page : {simp_, siefp_, sirbp_})
        if (page.enabled()) pages.push_back(page.page().value / page_size);
}

bool Synic::set_sint(Sint sint, std::uint64_t value)
{
    abi::SintRegister const wanted{value};
    if (!wanted.masked() && wanted.vector() < abi::SintRegister::lowest_vector) return false;

    std::lock_guard const guard{lock_};
    sints_[sint.value] = wanted;
    auto const others = heard_sints_.load(std::memory_order_relaxed) & ~(1U << sint.value);
    heard_sints_.store(others | static_cast<std::uint32_t>(!wanted.closed()) << sint.value,
                       std::memory_order_relaxed);
    return true;
}

void Synic::scan_queues()
{
    if (queued_sints_.load(std::memory_order_acquire) == 0) return;

    PendingInterrupts pending;
    {
        std::lock_guard const guard{lock_};
        deliver_all(pending);
    }
    raise(pending);
}

Status Synic::post(Sint sint, abi::Message const& message, PortBuffers* buffers, PendingInterrupts& pending)
{
    std::lock_guard const guard{lock_};
    if (!deliverable()) return Status::InvalidSynicState;
    if (deliver_at_once(sint, message, pending)) return Status::Success;
    if (!buffers) return Status::NoResources;

    auto const free = std::ranges::find_if(*buffers, [](auto const& b) { return !b.in_use.load(); });
    if (free == buffers->end()) return Status::InsufficientBuffers;
    enqueue(sint, message, *free, pending);
    return Status::Success;
}

void Synic::post_own(Sint sint, abi::Message const& message, MessageBuffer& buffer, PendingInterrupts& pending)
{
    std::lock_guard const guard{lock_};
    give_own(sint, message, buffer, pending);
}

void Synic::give_own(Sint sint, abi::Message const& message, MessageBuffer& buffer, PendingInterrupts& pending)
{
    if (buffer.in_use) unlink(buffer);
    if (deliverable() && deliver_at_once(sint, message, pending)) return;
    enqueue(sint, message, buffer, pending);
}

Status Synic::signal(Sint sint, unsigned flag, PendingInterrupts& pending)
{
    std::lock_guard const guard{lock_};
    if (!enabled() || !event_page_.host() || sints_[sint.value].closed()) return Status::InvalidSynicState;

    if (held_flags_) [[unlikely]]
        (*held_flags_)[sint.value].set(flag);
    else
        set_flag(sint, flag, pending);
    return Status::Success;
}

void Synic::set_flag(Sint sint, unsigned flag, PendingInterrupts& pending)
{
    auto* const flags = event_page_.host() + sint.value * (abi::event_flag_count / 8);
    auto const edge = slot::set_flag(flags, flag);
    if (tracer_) [[unlikely]]
        tracer_->event(vp_, sint, flag, edge);
    if (edge) interrupt(sint, pending);
}

void Synic::hold()
{
    auto flags = std::make_unique<EventFlags>();
    std::lock_guard const guard{lock_};
    if (!held_flags_) held_flags_ = std::move(flags);
}

void Synic::release()
{
    PendingInterrupts pending;
    {
        std::lock_guard const guard{lock_};
        auto const held = std::move(held_flags_);
        if (!held) return;
        bool const takes_events = enabled() && event_page_.host();
        for (std::uint32_t sint = 0; takes_events && sint < sint_count; ++sint) {
            auto const& flags = (*held)[sint];
            for (unsigned flag = 0; flags.any() && flag < flags.size(); ++flag) {
                if (flags[flag]) set_flag(Sint{sint}, flag, pending);
            }
        }
        for (std::uint32_t sint = 0; may_ring() && sint < sint_count; ++sint)
            fill_ring(Sint{sint}, pending);
        deliver_all(pending);
    }
    raise(pending);
}

void Synic::withdraw(MessageBuffer& buffer)
{
    std::lock_guard const guard{lock_};
    if (buffer.in_use) unlink(buffer);
}

void Synic::withdraw_all()
{
    std::lock_guard const guard{lock_};
    for (auto* const queues : {&queues_, &ring_queues_})
        for (auto& queue : *queues)
            while (!queue.empty())
                unlink(*queue.front());
}

void Synic::assert_sint(Sint sint)
{
    PendingInterrupts pending;
    {
        std::lock_guard const guard{lock_};
        if (enabled()) interrupt(sint, pending);
    }
    raise(pending);
}

std::byte* Synic::slot(Sint sint) const
{
    return message_page_.host() + sint.value * slot::size;
}

void Synic::update_hints()
{
    accepts_messages_.store(deliverable(), std::memory_order_relaxed);
    accepts_events_.store(enabled() && event_page_.host(), std::memory_order_relaxed);
    accepts_rings_.store(may_ring(), std::memory_order_relaxed);
}

bool Synic::deliver_at_once(Sint sint, abi::Message const& message, PendingInterrupts& pending)
{
    auto const& queue = queues_[sint.value];
    if (held_flags_) [[unlikely]]
        return false;
    if (!queue.empty()) deliver_first(sint, pending);
    if (!queue.empty() || !slot::is_empty(slot(sint))) return false;
    deliver(sint, message, false, pending);
    return true;
}

void Synic::enqueue(Sint sint, abi::Message const& message, MessageBuffer& buffer, PendingInterrupts& pending)
{
    buffer.message = message;
    buffer.synic = this;
    buffer.sint = sint;
    buffer.in_use.store(true);
    auto& queue = queues_[sint.value];
    queue.push(buffer);
    queued_sints_.fetch_or(1U << sint.value, std::memory_order_release);
    if (tracer_) [[unlikely]]
        tracer_->message(vp_, sint, message.header, Tracer::MessageStep::Queued);

    if (may_deliver()) deliver_first(sint, pending);
    if (!queue.empty() && may_deliver()) pending.retry_later();
}

void Synic::unlink(MessageBuffer& buffer)
{
    auto& queue = is_for_ring(buffer) ? ring_queues_[buffer.sint.value] : queues_[buffer.sint.value];
    queue.remove(buffer);
    if (!is_for_ring(buffer) && queue.empty())
        queued_sints_.fetch_and(~(1U << buffer.sint.value), std::memory_order_relaxed);
    buffer.in_use.store(false);
}

void Synic::deliver_first(Sint sint, PendingInterrupts& pending)
{
    auto* const target = slot(sint);
    if (!slot::is_empty(target)) {
        slot::mark_pending(target);
        if (!slot::is_empty(target)) return;
    }
    auto& first = *queues_[sint.value].front();
    if (first.message.header.type == abi::MessageType::TimerExpired)
        first.message.payload[delivery_time_qword] = time_.now().value;
    deliver(sint, first.message, first.next != nullptr, pending);
    unlink(first);
}

void Synic::deliver(Sint sint, abi::Message const& message, bool more, PendingInterrupts& pending)
{
    slot::fill(slot(sint), message, more);
    if (tracer_) [[unlikely]]
        tracer_->message(vp_, sint, message.header, Tracer::MessageStep::Delivered);
    interrupt(sint, pending);
}

void Synic::deliver_all(PendingInterrupts& pending)
{
    if (!may_deliver()) return;
    auto waiting = queued_sints_.load(std::memory_order_relaxed);
    for (; waiting != 0; waiting &= waiting - 1)
        deliver_first(Sint{static_cast<std::uint32_t>(std::countr_zero(waiting))}, pending);
    if (queued_sints_.load(std::memory_order_relaxed) != 0) pending.retry_later();
}

void Synic::interrupt(Sint sint, PendingInterrupts& pending) const
{
    auto const& source = sints_[sint.value];
    if (!source.masked() && !source.polling()) pending.add(source.vector(), source.auto_eoi());
}

} // namespace hv
