#include "hv/partition/communication.hpp"

#include "hv/partition/child.hpp"
#include "hv/partition/locked_port.hpp"
#include "hv/partition/monitor_ports.hpp"
#include "hv/partition/partition.hpp"
#include "hv/partition/registry.hpp"
#include "hv/synic/synic.hpp"

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace hv::communication {

namespace {

/// §14.8.6, §14.9.1. A spec without a handler leads to a VP of the owner.
Status check(Partition const& owner, PortSpec const& spec)
{
    if (spec.type == abi::PortType::Monitor) return monitor_ports::check(owner, spec.monitor_page);
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
    Partition::Visit const visit{owner}; // the SynICs that its messages wait at stay
    auto& slab = owner.registry().slab();
    auto& port = slab.at(handle);
    std::unique_ptr<PortBuffers> buffers;
    std::unique_ptr<MonitorPort> monitor;
    std::shared_ptr<PortHandler> handler;
    {
        std::lock_guard const guard{port.lock};
        port.alive = false;
        monitor = std::move(port.monitor);
        buffers = std::move(port.buffers);
        handler = std::move(port.spec.handler);
        if (buffers) {
            for (auto& buffer : *buffers) {
                if (buffer.in_use) buffer.synic->withdraw(buffer);
            }
        }
    }
    if (monitor) monitor_ports::close(owner, std::move(monitor));
    slab.release(handle);
    owner.pool().release(port_charge);
    return handler;
}

/// Ends a connection, the sender's tables locked.
void let_go(Partition& sender, ConnectionId id, PortHandle handle)
{
    {
        LockedPort const target{sender.registry().slab(), handle};
        if (target.alive) {
            if (target.port.monitor) monitor_ports::stop(sender, *target.port.monitor);
            target.port.connected = false;
        }
    }
    monitor_ports::hide(sender, id);
    if (sender.child() && sender.child()->doorbells.remove(id)) sender.pool().release(doorbell_connection_charge);
    sender.pool().release(connection_charge);
}

/// From now on the child's writes ring.
Status add_doorbell(Partition& child, ConnectionId id, DoorbellTrigger const& trigger)
{
    if (!child.pool().charge(doorbell_connection_charge)) return Status::InsufficientMemory;
    auto const status = child.child()->doorbells.add(id, trigger);
    if (status != Status::Success) child.pool().release(doorbell_connection_charge);
    return status;
}

/// Whether a connection is made as the port's type wants it.
Status fits(ConnectionInfo const& info, abi::PortType type)
{
    if (info.type && *info.type != type) return Status::InvalidParameter;
    if (type == abi::PortType::Doorbell) return info.trigger ? Status::Success : Status::InvalidParameter;
    if (type == abi::PortType::Monitor || !info.address) return Status::Success;
    auto const named =
        info.type ? std::uint64_t{0} : static_cast<std::uint64_t>(type); // §14.8.9 begins with the type
    return *info.address == 0 || *info.address == named ? Status::Success : Status::InvalidParameter;
}

/// Everything but asking for a scan.
Status make_connection(Partition& sender, ConnectionId id, Partition& receiver, PortId port_id,
                       ConnectionInfo const& info)
{
    std::lock_guard const guard{sender.tables_lock};
    if (!sender.active()) return Status::InvalidPartitionState;
    auto& connections = sender.connections();
    if (connections.find(id.value) != 0) return Status::InvalidConnectionId;
    PortHandle const handle{receiver.ports().find(port_id.value)};
    if (!handle) return Status::InvalidPortId;
    if (!connections.reserve(id.value)) return Status::InsufficientMemory;

    LockedPort const target{receiver.registry().slab(), handle};
    auto& port = target.port;
    if (!target.alive) return Status::InvalidPortId;
    if (port.spec.connection_partition != sender.id()) return Status::InvalidPortId; // as if it were not there
    if (!receiver.active()) return Status::InvalidPartitionState;
    if (port.connected) return Status::InvalidPortId;
    if (auto const status = fits(info, port.spec.type); status != Status::Success) return status;
    if (!sender.pool().charge(connection_charge)) return Status::InsufficientMemory;
    if (port.monitor) {
        if (auto const status = monitor_ports::connect(sender, id, *port.monitor, info.address);
            status != Status::Success) {
            sender.pool().release(connection_charge);
            return status;
        }
    }
    if (info.trigger) {
        if (auto const status = add_doorbell(sender, id, *info.trigger); status != Status::Success) {
            sender.pool().release(connection_charge);
            return status;
        }
    }
    port.connected = true;
    connections.set(id.value, handle.word);
    return Status::Success;
}

/// The VP that a port for HV_ANY_VP tries first. The port is locked.
Status prefer(Port& port, std::uint64_t vp)
{
    if (port.spec.type == abi::PortType::Monitor || port.spec.target_vp != any_vp) return Status::OperationDenied;
    if (vp != any_vp.value && vp >= port.owner->vp_indices()) return Status::PropertyValueOutOfRange;
    port.preferred_vp = VpIndex{static_cast<std::uint32_t>(vp)};
    return Status::Success;
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
    std::unique_ptr<MonitorPort> monitor;
    auto const refused = [&](Status status) {
        if (monitor) monitor_ports::close(owner, std::move(monitor));
        owner.pool().release(port_charge);
        return status;
    };
    if (!ports.reserve(id.value)) return refused(Status::InsufficientMemory);
    if (spec.type == abi::PortType::Monitor) {
        auto opened = monitor_ports::open(owner, spec.monitor_page);
        if (!opened) return refused(opened.status());
        monitor = std::move(*opened);
    }
    auto const handle = owner.registry().slab().allocate();
    if (!handle) return refused(Status::NoResources);
    {
        auto& port = owner.registry().slab().at(handle);
        std::lock_guard const port_guard{port.lock};
        port.alive = true;
        port.connected = false;
        port.id = id;
        port.owner = &owner;
        port.spec = spec;
        port.monitor = std::move(monitor);
        port.preferred_vp = any_vp;
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

Status connect(Partition& sender, ConnectionId id, Partition& receiver, PortId port_id, ConnectionInfo const& info)
{
    auto const status = make_connection(sender, id, receiver, port_id, info);
    // A monitor page may have something to look at now, the new one or one whose triggers name this connection.
    if (status == Status::Success && sender.monitors().dozing) sender.registry().monitors().wake(sender);
    return status;
}

Status disconnect(Partition& sender, ConnectionId id)
{
    std::lock_guard const guard{sender.tables_lock};
    PortHandle const handle{sender.connections().find(id.value)};
    if (!handle) return Status::InvalidConnectionId;
    sender.connections().set(id.value, 0);
    let_go(sender, id, handle);
    return Status::Success;
}

Result<std::uint64_t> port_property(Partition& owner, PortId id, abi::PortProperty code)
{
    PortHandle const handle{owner.ports().find(id.value)};
    if (!handle) return Status::InvalidPortId;
    LockedPort const target{owner.registry().slab(), handle};
    if (!target.alive) return Status::InvalidPortId;

    auto const& port = target.port;
    switch (code) {
    case abi::PortProperty::PostCount: return port.post_count;
    case abi::PortProperty::PreferredTargetVp:
        return port.spec.target_vp == any_vp ? port.preferred_vp.value : port.spec.target_vp.value;
    }
    return Status::UnknownProperty;
}

Status set_port_property(Partition& owner, PortId id, abi::PortProperty code, std::uint64_t value)
{
    PortHandle const handle{owner.ports().find(id.value)};
    if (!handle) return Status::InvalidPortId;
    LockedPort const target{owner.registry().slab(), handle};
    if (!target.alive) return Status::InvalidPortId;

    switch (code) {
    case abi::PortProperty::PostCount: return Status::OperationDenied;
    case abi::PortProperty::PreferredTargetVp: return prefer(target.port, value);
    }
    return Status::UnknownProperty;
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
        let_go(partition, ConnectionId{id}, PortHandle{word});
    });
}

} // namespace hv::communication
