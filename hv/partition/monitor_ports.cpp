#include "hv/partition/monitor_ports.hpp"

#include "hv/partition/communication.hpp"
#include "hv/partition/partition.hpp"
#include "hv/partition/registry.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace hv::monitor_ports {

namespace {

using communication::monitor_connection_charge;
using communication::monitor_port_charge;

/// A port's page, not shown anywhere yet; nullptr when the host has no memory.
std::unique_ptr<MonitorPort> make_port(MonitorHost& host)
{
    try {
        std::shared_ptr<CommonPage> page{host.make_common_page()};
        if (!page) return nullptr;
        auto port = std::make_unique<MonitorPort>();
        port->page = std::make_shared<MonitoredPage>(std::move(page));
        return port;
    } catch (std::bad_alloc const&) {
        return nullptr;
    }
}

/// A place for one more connection with a page; nullptr when all are taken.
PartitionMonitors::Connection* free_place(PartitionMonitors& monitors)
{
    auto const found = std::ranges::find_if(monitors.connections, [](auto const& c) { return !c.view; });
    return found == monitors.connections.end() ? nullptr : found;
}

Status show(Partition& sender, ConnectionId id, MonitorPort const& port, Gpa place)
{
    if (auto const status = check(sender, place); status != Status::Success) return status;
    auto* const free = free_place(sender.monitors());
    if (!free) return Status::NoResources;
    if (!sender.pool().charge(monitor_connection_charge)) return Status::InsufficientMemory;
    free->id = id;
    free->view = CommonView::make(port.page->common(), sender.memory().page(place));
    if (free->view) return Status::Success;
    sender.pool().release(monitor_connection_charge);
    return Status::InsufficientMemory;
}

} // namespace

/// The page has to lie over RAM: there is nothing else that a guest could read and write.
Status check(Partition const& partition, std::optional<Gpa> page)
{
    if (!page) return Status::Success;
    if (page->value % page_size != 0) return Status::InvalidAlignment;
    return partition.memory().page(*page) ? Status::Success : Status::InvalidParameter;
}

Result<std::unique_ptr<MonitorPort>> open(Partition& owner, std::optional<Gpa> place)
{
    auto* const host = owner.registry().monitors().host();
    if (!host || owner.monitors().ports == PartitionMonitors::most_ports) return Status::NoResources;
    if (!owner.pool().charge(monitor_port_charge)) return Status::InsufficientMemory;

    auto port = make_port(*host);
    if (port && place) {
        port->view = CommonView::make(port->page->common(), owner.memory().page(*place));
        if (!port->view) port.reset();
    }
    if (!port) {
        owner.pool().release(monitor_port_charge);
        return Status::InsufficientMemory;
    }
    ++owner.monitors().ports;
    return port;
}

void close(Partition& owner, std::unique_ptr<MonitorPort> port)
{
    owner.registry().monitors().stop(*port->page);
    port.reset();
    --owner.monitors().ports;
    owner.pool().release(monitor_port_charge);
}

Status connect(Partition& sender, ConnectionId id, MonitorPort const& port, std::optional<std::uint64_t> address)
{
    if (address) {
        if (auto const status = show(sender, id, port, Gpa{*address}); status != Status::Success) return status;
    }
    if (!sender.registry().monitors().start(port.page, sender)) {
        hide(sender, id);
        return Status::InsufficientMemory;
    }
    sender.monitors().dozing = true; // so that whoever makes the connection asks for a first look
    return Status::Success;
}

void stop(Partition& sender, MonitorPort const& port)
{
    sender.registry().monitors().stop(*port.page);
}

void hide(Partition& sender, ConnectionId id)
{
    for (auto& connection : sender.monitors().connections) {
        if (!connection.view || connection.id != id) continue;
        connection.view.reset();
        sender.pool().release(monitor_connection_charge);
    }
}

} // namespace hv::monitor_ports
