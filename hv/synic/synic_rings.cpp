/// Doorbell ports on their way into event rings.
#include "hv/synic/event_ring.hpp"
#include "hv/synic/synic.hpp"

#include <cstring>
#include <mutex>
#include <new>

namespace hv {

namespace {

constexpr Sint intercept_sint{0};

} // namespace

bool Synic::is_for_ring(MessageBuffer const& buffer)
{
    return buffer.message.header.type == abi::MessageType::None;
}

std::byte* Synic::event_ring_of(Sint sint) const
{
    return ring_page_.host() + sint.value * event_ring::size;
}

Status Synic::ring(Sint sint, PortId port, PortBuffers* buffers, PendingInterrupts& pending)
{
    std::lock_guard const guard{lock_};
    if (!may_ring() || sints_[sint.value].closed()) return Status::InvalidSynicState;
    auto& queue = ring_queues_[sint.value];
    bool const in_turn = queue.empty() && !held_flags_;
    if (in_turn && event_ring::put(event_ring_of(sint), ring_heads_[sint.value], port.value)) {
        tell_of_ring(sint, pending);
        return Status::Success;
    }
    if (!buffers) return Status::NoResources;
    auto& buffer = buffers->front();
    if (buffer.in_use.load()) return Status::Success;
    buffer.message = {};
    buffer.message.header.origin = port.value;
    buffer.synic = this;
    buffer.sint = sint;
    buffer.in_use.store(true);
    queue.push(buffer);
    if (held_flags_) return Status::Success;
    event_ring::mark_full(event_ring_of(sint));
    fill_ring(sint, pending);
    return Status::Success;
}

Status Synic::ring_emptied(Sint sint)
{
    PendingInterrupts pending;
    {
        std::lock_guard const guard{lock_};
        if (!may_ring()) return Status::InvalidSynicState;
        if (!held_flags_) fill_ring(sint, pending);
    }
    raise(pending);
    return Status::Success;
}

void Synic::fill_ring(Sint sint, PendingInterrupts& pending)
{
    auto& queue = ring_queues_[sint.value];
    auto* const ring = event_ring_of(sint);
    bool filled = false;
    bool marked = false;
    while (!queue.empty()) {
        auto& first = *queue.front();
        auto const port = static_cast<std::uint32_t>(first.message.header.origin);
        if (event_ring::put(ring, ring_heads_[sint.value], port)) {
            unlink(first);
            filled = true;
        } else if (marked) {
            break;
        } else {
            event_ring::mark_full(ring);
            marked = true;
        }
    }
    if (filled) tell_of_ring(sint, pending);
}

void Synic::tell_of_ring(Sint sint, PendingInterrupts& pending)
{
    if (!event_ring::must_signal(event_ring_of(sint))) return;
    if (!sints_[sint.value].as_intercept()) return interrupt(sint, pending);
    abi::Message message{};
    message.header.type = abi::MessageType::SynicSintIntercept;
    message.header.payload_size = sizeof(abi::SintNotice);
    abi::SintNotice const notice{sint.value};
    std::memcpy(message.payload.data(), &notice, sizeof notice);
    if (auto* const buffer = ring_notice(sint)) give_own(intercept_sint, message, *buffer, pending);
}

MessageBuffer* Synic::ring_notice(Sint sint)
{
    auto& buffer = ring_notices_[sint.value];
    if (!buffer) buffer.reset(new (std::nothrow) MessageBuffer);
    return buffer.get();
}

} // namespace hv
