/// Posting and signalling through a connection (TLFS 2.0a §14.2.4, §14.3.1).
#include "hv/partition/communication.hpp"
#include "hv/partition/locked_port.hpp"
#include "hv/partition/registry.hpp"
#include "hv/vp/virtual_processor.hpp"

#include <cstddef>
#include <new>
#include <optional>
#include <span>

namespace hv::communication {

namespace {

struct Delivery {
    Status status;
    VirtualProcessor* vp; ///< whose SynIC decided
};

/// Offers a message or an event to the VPs that HV_ANY_VP stands for until one takes it: those that hear the SINT
/// before those that would lose its interrupt, among each the preferred one first (§14.8.7). VPs whose SynIC or page
/// is disabled are no targets (§14.2.4, §14.3.1). The port is locked.
template <typename Give>
Delivery offer_to_any(Port const& port, bool (Synic::*accepts)() const, Give give)
{
    auto const& owner = *port.owner;
    auto* const preferred = owner.vp(port.preferred_vp);
    Delivery last{Status::InvalidSynicState, nullptr};
    auto const taken_by = [&](VirtualProcessor& vp, bool masked_too) {
        auto& synic = vp.synic();
        if (!(synic.*accepts)() || !(masked_too || synic.hears(port.spec.sint))) return false;
        last = {give(synic), &vp};
        return last.status != Status::InvalidSynicState; // else it was disabled or masked a moment ago
    };
    for (bool const masked_too : {false, true}) {
        if (preferred && taken_by(*preferred, masked_too)) return last;
        for (std::uint32_t index = 0; index < owner.vp_indices(); ++index) {
            auto* const vp = owner.vp(VpIndex{index});
            if (vp && vp != preferred && taken_by(*vp, masked_too)) return last;
        }
    }
    return last;
}

/// Gives a message or an event to the VP that it is for. The port is locked, and its owner visited.
template <typename Give>
Delivery offer(Port const& port, bool (Synic::*accepts)() const, Give give)
{
    if (port.spec.target_vp == any_vp) return offer_to_any(port, accepts, give);
    auto* const vp = port.owner->vp(port.spec.target_vp);
    if (!vp) return {Status::InvalidSynicState, nullptr}; // its parent has deleted it
    return {give(vp->synic()), vp};
}

/// Queues or delivers, with the port locked. The port's buffers come into being when the first message has to wait.
Status deliver(Port& port, Synic& synic, abi::Message const& message, PendingInterrupts& pending)
{
    auto status = synic.post(port.spec.sint, message, port.buffers.get(), pending);
    if (status == Status::NoResources) {
        port.buffers.reset(new (std::nothrow) PortBuffers);
        if (!port.buffers) return Status::InsufficientBuffers;
        status = synic.post(port.spec.sint, message, port.buffers.get(), pending);
    }
    if (status == Status::Success) ++port.post_count;
    return status;
}

/// The same of a doorbell, which needs a buffer when the ring is full.
Status ring(Port& port, Synic& synic, PendingInterrupts& pending)
{
    auto status = synic.ring(port.spec.sint, port.id, port.buffers.get(), pending);
    if (status == Status::NoResources) {
        port.buffers.reset(new (std::nothrow) PortBuffers);
        if (!port.buffers) return Status::NoResources;
        status = synic.ring(port.spec.sint, port.id, port.buffers.get(), pending);
    }
    return status;
}

} // namespace

Status post(Partition& sender, ConnectionId id, abi::Message& message)
{
    PortHandle const handle{sender.connections().find(id.value)};
    if (!handle) return Status::InvalidConnectionId;

    PendingInterrupts pending;
    std::shared_ptr<PortHandler> handler;
    VirtualProcessor* vp = nullptr;
    std::optional<Partition::Visit> visit;
    auto status = Status::Success;
    {
        LockedPort const target{sender.registry().slab(), handle};
        if (!target.takes(abi::PortType::Message)) return Status::InvalidPortId;
        handler = target.port.spec.handler;
        if (handler) {
            if (!handler->has_room()) return Status::InsufficientBuffers;
            ++target.port.post_count;
        } else {
            message.header.origin = target.port.id.value;
            visit.emplace(*target.port.owner);
            auto const delivery = offer(target.port, &Synic::accepts_messages,
                                        [&](Synic& synic) { return deliver(target.port, synic, message, pending); });
            status = delivery.status;
            if (status == Status::InvalidSynicState) return status;
            vp = delivery.vp;
        }
    }
    if (handler)
        handler->on_message(message.header.type,
                            std::as_bytes(std::span{message.payload}).first(message.header.payload_size));
    else
        vp->synic().raise(pending); // also of a refused message: it may have moved a waiting one into the slot
    return status;
}

Status signal(Partition& sender, ConnectionId id, std::uint32_t flag)
{
    PortHandle const handle{sender.connections().find(id.value)};
    if (!handle) return Status::InvalidConnectionId;

    PendingInterrupts pending;
    std::shared_ptr<PortHandler> handler;
    VirtualProcessor* vp = nullptr;
    std::optional<Partition::Visit> visit;
    {
        LockedPort const target{sender.registry().slab(), handle};
        if (!target.takes(abi::PortType::Event)) return Status::InvalidPortId;
        auto const& spec = target.port.spec;
        if (flag >= spec.flag_count) return Status::InvalidParameter;
        handler = spec.handler;
        if (!handler) {
            visit.emplace(*target.port.owner);
            auto const delivery = offer(target.port, &Synic::accepts_events, [&](Synic& synic) {
                return synic.signal(spec.sint, spec.base_flag + flag, pending);
            });
            if (delivery.status != Status::Success) return delivery.status;
            vp = delivery.vp;
        }
    }
    if (handler)
        handler->on_event(flag);
    else
        vp->synic().raise(pending);
    return Status::Success;
}

void ring(Partition& child, ConnectionId id)
{
    PortHandle const handle{child.connections().find(id.value)};
    if (!handle) return;

    PendingInterrupts pending;
    VirtualProcessor* vp = nullptr;
    std::optional<Partition::Visit> visit;
    {
        LockedPort const target{child.registry().slab(), handle};
        if (!target.takes(abi::PortType::Doorbell)) return;
        visit.emplace(*target.port.owner);
        auto const delivery = offer(target.port, &Synic::accepts_rings,
                                    [&](Synic& synic) { return ring(target.port, synic, pending); });
        if (delivery.status != Status::Success) return;
        vp = delivery.vp;
    }
    vp->synic().raise(pending);
}

} // namespace hv::communication
