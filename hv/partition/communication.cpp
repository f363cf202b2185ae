#include "hv/partition/communication.hpp"

#include "hv/partition/partition.hpp"
#include "hv/partition/registry.hpp"
#include "hv/vp/virtual_processor.hpp"

#include <cstddef>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <vector>

namespace hv::communication {

namespace {

/// §14.8.6, §14.9.1. A spec without a handler leads to a VP of the owner.
Status check(Partition const& owner, PortSpec const& spec)
{
    if (spec.handler) return Status::Success;
    if (spec.sint.value == 0 || spec.sint.value >= sint_count) return Status::InvalidParameter;
    if (spec.type == abi::PortType::Event) {
        if (spec.flag_count == 0) return Status::InvalidParameter;
        if (spec.base_flag + spec.flag_count > abi::event_flag_count) return Status::InvalidParameter;
    }
    if (spec.target_vp != any_vp && !owner.vp(spec.target_vp)) return Status::InvalidVpIndex;
    return Status::Success;
}

/// Ends a port's life. Called with no lock held but the tables'; its slot is free for another port afterwards. The
/// handler is the caller's to let go once that lock is free too, because its end may use the fabric.
[[nodiscard]] std::shared_ptr<PortHandler> bury(Partition& owner, PortHandle handle)
{
    auto& slab = owner.registry().slab();
    auto& port = slab.at(handle);
    std::unique_ptr<PortBuffers> buffers;
    std::shared_ptr<PortHandler> handler;
    {
        std::lock_guard const guard{port.lock};
        port.alive = false;
        buffers = std::move(port.buffers);
        handler = std::move(port.spec.handler);
        if (buffers) {
            for (auto& buffer : *buffers) {
                if (buffer.in_use) buffer.synic->withdraw(buffer);
            }
        }
    }
    slab.release(handle);
    owner.pool().release(port_charge);
    return handler;
}

void let_go(Partition& sender, PortHandle handle)
{
    auto& port = sender.registry().slab().at(handle);
    {
        std::lock_guard const guard{port.lock};
        if (port.generation == handle.generation()) port.connected = false;
    }
    sender.pool().release(connection_charge);
}

/// The port behind a connection, locked, if it still is the one that was connected to and takes this type of traffic.
struct LockedPort {
    LockedPort(PortSlab const& slab, PortHandle handle) : port{slab.at(handle)}, lock{port.lock}
    {
        alive = port.alive && port.generation == handle.generation();
    }

    /// A port that is alive has a live owner: its partition is severed before it goes.
    [[nodiscard]] bool takes(abi::PortType type) const
    {
        return alive && port.owner->active() && port.spec.type == type;
    }

    Port& port;
    std::unique_lock<decltype(Port::lock)> lock;
    bool alive = false;
};

/// The VP that a message or event goes to; nullptr when HV_ANY_VP finds none with its SynIC and page enabled.
VirtualProcessor* route(Port const& port, bool (Synic::*accepts)() const)
{
    auto const& owner = *port.owner;
    if (port.spec.target_vp != any_vp) return owner.vp(port.spec.target_vp);
    for (auto const& vp : owner.vps()) {
        if ((vp->synic().*accepts)()) return vp.get();
    }
    return nullptr;
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

} // namespace

Status create_port(Partition& owner, PortId id, PortSpec const& spec)
{
    if (auto const status = check(owner, spec); status != Status::Success) return status;

    std::lock_guard const guard{owner.tables_lock};
    if (!owner.active()) return Status::InvalidPartitionState; // else sever has been here, and would not come again
    auto& ports = owner.ports();
    if (ports.find(id.value) != 0) return Status::InvalidPortId;
    if (!owner.pool().charge(port_charge)) return Status::InsufficientMemory;
    if (!ports.reserve(id.value)) {
        owner.pool().release(port_charge);
        return Status::InsufficientMemory;
    }
    auto const handle = owner.registry().slab().allocate();
    if (!handle) {
        owner.pool().release(port_charge);
        return Status::NoResources;
    }
    {
        auto& port = owner.registry().slab().at(handle);
        std::lock_guard const port_guard{port.lock};
        port.alive = true;
        port.connected = false;
        port.id = id;
        port.owner = &owner;
        port.spec = spec;
        port.post_count = 0;
    }
    ports.set(id.value, handle.word);
    return Status::Success;
}

Status delete_port(Partition& owner, PortId id)
{
    std::shared_ptr<PortHandler> handler; // goes after the lock
    std::lock_guard const guard{owner.tables_lock};
    PortHandle const handle{owner.ports().find(id.value)};
    if (!handle) return Status::InvalidPortId;
    owner.ports().set(id.value, 0);
    handler = bury(owner, handle);
    return Status::Success;
}

Status connect(Partition& sender, ConnectionId id, Partition& receiver, PortId port_id,
               std::optional<abi::PortType> type)
{
    std::lock_guard const guard{sender.tables_lock};
    if (!sender.active()) return Status::InvalidPartitionState;
    auto& connections = sender.connections();
    if (connections.find(id.value) != 0) return Status::InvalidConnectionId;
    PortHandle const handle{receiver.ports().find(port_id.value)};
    if (!handle) return Status::InvalidPortId;
    if (!connections.reserve(id.value)) return Status::InsufficientMemory;

    LockedPort const target{receiver.registry().slab(), handle};
    if (!target.alive) return Status::InvalidPortId;
    if (target.port.spec.connection_partition != sender.id()) return Status::InvalidPartitionId;
    if (target.port.connected) return Status::InvalidPortId;
    if (type && target.port.spec.type != *type) return Status::InvalidParameter;
    if (!sender.pool().charge(connection_charge)) return Status::InsufficientMemory;
    target.port.connected = true;
    connections.set(id.value, handle.word);
    return Status::Success;
}

Status disconnect(Partition& sender, ConnectionId id)
{
    std::lock_guard const guard{sender.tables_lock};
    PortHandle const handle{sender.connections().find(id.value)};
    if (!handle) return Status::InvalidConnectionId;
    sender.connections().set(id.value, 0);
    let_go(sender, handle);
    return Status::Success;
}

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
            ++target.port.post_count;
        } else {
            vp = route(target.port, &Synic::accepts_messages);
            if (!vp) return Status::InvalidSynicState;
            visit.emplace(*target.port.owner);
            message.header.origin = target.port.id.value;
            status = deliver(target.port, vp->synic(), message, pending);
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
            vp = route(target.port, &Synic::accepts_events);
            if (!vp) return Status::InvalidSynicState;
            visit.emplace(*target.port.owner);
            auto const status = vp->synic().signal(spec.sint, spec.base_flag + flag, pending);
            if (status != Status::Success) return status;
        }
    }
    if (handler)
        handler->on_event(flag);
    else
        vp->synic().raise(pending);
    return Status::Success;
}

void sever(Partition& partition)
{
    std::vector<std::shared_ptr<PortHandler>> handlers; // go after the lock
    std::lock_guard const guard{partition.tables_lock};
    partition.ports().for_each([&](std::uint32_t id, std::uint64_t word) {
        partition.ports().set(id, 0);
        if (auto handler = bury(partition, PortHandle{word})) handlers.push_back(std::move(handler));
    });
    partition.connections().for_each([&](std::uint32_t id, std::uint64_t word) {
        partition.connections().set(id, 0);
        let_go(partition, PortHandle{word});
    });
}

} // namespace hv::communication
