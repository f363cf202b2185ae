#include "hv/partition/inspect.hpp"

#include "hv/partition/children.hpp"
#include "hv/partition/locked_port.hpp"
#include "hv/partition/registry.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace hv {

namespace {

std::string_view name_of_type(abi::PortType type)
{
    switch (type) {
    case abi::PortType::Message: return "message";
    case abi::PortType::Event: return "event";
    case abi::PortType::Monitor: return "monitor";
    case abi::PortType::Doorbell: return "doorbell";
    }
    return "unknown";
}

std::string text_of(VpIndex vp)
{
    return vp == any_vp ? "any" : std::to_string(vp.value);
}

/// What is said of a port, as it was while its lock was held.
struct PortView {
    PartitionId owner{};
    PortId id{};
    PortSpec spec{}; // without its handler
    bool connected = false;
    VpIndex preferred_vp = any_vp;
    std::uint64_t post_count = 0;
    std::size_t buffers_in_use = 0;
};

/// Nothing when the port is gone.
std::optional<PortView> view(PortSlab const& slab, PortHandle handle)
{
    LockedPort const locked{slab, handle};
    if (!locked.alive) return std::nullopt;
    auto const& port = locked.port;
    PortView view{.owner = port.owner->id(),
                  .id = port.id,
                  .spec = {port.spec.type, port.spec.sint, port.spec.target_vp, port.spec.base_flag,
                           port.spec.flag_count, port.spec.monitor_page, port.spec.connection_partition, nullptr},
                  .connected = port.connected,
                  .preferred_vp = port.preferred_vp,
                  .post_count = port.post_count};
    if (port.buffers)
        view.buffers_in_use = static_cast<std::size_t>(
            std::ranges::count_if(*port.buffers, [](auto const& buffer) { return buffer.in_use.load(); }));
    return view;
}

void inspect_port(PortView const& port, Inspector& inspector)
{
    inspector.text("type", name_of_type(port.spec.type));
    inspector.number("for_partition", port.spec.connection_partition.value);
    inspector.flag("connected", port.connected);
    if (port.spec.type == abi::PortType::Monitor) return;
    if (port.owner != PartitionRegistry::root_id) {
        inspector.text("vp", text_of(port.spec.target_vp));
        inspector.number("sint", port.spec.sint.value);
    }
    if (port.spec.type == abi::PortType::Event) {
        inspector.number("base_flag", port.spec.base_flag);
        inspector.number("flags", port.spec.flag_count);
        return;
    }
    if (port.preferred_vp != any_vp) inspector.number("preferred_vp", port.preferred_vp.value);
    inspector.number("messages_accepted", port.post_count);
    inspector.number("messages_waiting", port.buffers_in_use);
}

void inspect_connection(std::optional<PortView> const& port, Inspector& inspector)
{
    if (!port) return inspector.text("to", "a port that is gone");
    inspector.number("to_partition", port->owner.value);
    inspector.number("to_port", port->id.value);
    inspector.text("type", name_of_type(port->spec.type));
}

/// The first of a table's values with their IDs, and how many there are.
struct Entries {
    std::vector<std::pair<std::uint32_t, PortHandle>> first;
    std::size_t count = 0;
};

Entries entries_of(IdTable const& table)
{
    Entries entries;
    table.for_each([&](std::uint32_t id, std::uint64_t word) {
        if (entries.count++ < inspected_ports) entries.first.emplace_back(id, PortHandle{word});
    });
    return entries;
}

void inspect_ports(Partition& partition, Inspector& inspector)
{
    auto const& slab = partition.registry().slab();
    InspectedNode const node{inspector, "ports"};
    auto const entries = entries_of(partition.ports());
    inspector.number("count", entries.count);
    for (auto const& [id, handle] : entries.first) {
        auto const port = view(slab, handle);
        if (!port) continue; // deleted meanwhile
        InspectedNode const one{inspector, std::to_string(id)};
        inspect_port(*port, inspector);
    }
}

void inspect_connections(Partition& partition, Inspector& inspector)
{
    auto const& slab = partition.registry().slab();
    InspectedNode const node{inspector, "connections"};
    auto const entries = entries_of(partition.connections());
    inspector.number("count", entries.count);
    for (auto const& [id, handle] : entries.first) {
        InspectedNode const one{inspector, std::to_string(id)};
        inspect_connection(view(slab, handle), inspector);
    }
}

void inspect_registers(Partition const& partition, Inspector& inspector)
{
    InspectedNode const node{inspector, "registers"};
    inspector.hex("guest_os_id", partition.guest_os_id());
    inspector.hex("hypercall", partition.hypercall_msr());
    inspector.hex("reference_tsc", partition.reference_tsc());
    inspector.number("reference_time_100ns", partition.time().now().value);
}

void inspect_privileges(Rights const& rights, Inspector& inspector)
{
    std::string names;
    for (auto const& name : privilege_names()) {
        if (name.privilege && rights.has(*name.privilege)) names.append(names.empty() ? "" : " ").append(name.name);
    }
    inspector.text("privileges", names);
    inspector.hex("privilege_mask", rights.privileges());
}

} // namespace

void inspect(Partition& partition, Inspector& inspector)
{
    inspector.number("parent", partition.parent().value);
    inspector.flag("active", partition.active());
    inspect_privileges(partition.rights(), inspector);
    inspector.number("pool_free_bytes", partition.pool().free_bytes());
    if (auto const* const children = partition.children()) {
        InspectedNode const node{inspector, "children"};
        inspector.number("count", children->count());
        inspector.number("deposited_pages", children->deposited_pages());
    }
    if (partition.id() != PartitionRegistry::root_id) inspect_registers(partition, inspector);
    inspect_ports(partition, inspector);
    inspect_connections(partition, inspector);
}

} // namespace hv
