#include "hv/fuzz/ledger.hpp"

#include "hv/fuzz/input.hpp"
#include "hv/fuzz/pool_account.hpp"

#include <algorithm>
#include <cstddef>

namespace hv::fuzz {

using testing::GuestSlot;

namespace {

std::size_t size_of(IdTable const& table)
{
    std::size_t size = 0;
    table.for_each([&size](std::uint32_t, std::uint64_t) { ++size; });
    return size;
}

void check_connections(Seat const& seat)
{
    for (auto const& [id, connection] : seat.connections)
        require(seat.partition().connections().find(id) == connection.port->handle.word,
                "a connection leads to the port that it was made for");
}

void check_pool(Seat const& seat)
{
    std::uint64_t expected = 0;
    for (auto const& [id, port] : seat.ports)
        expected += communication::port_charge +
                    (port->spec.type == abi::PortType::Monitor ? communication::monitor_port_charge : 0);
    for (auto const& [id, connection] : seat.connections)
        expected +=
            communication::connection_charge + (connection.shows_page ? communication::monitor_connection_charge : 0);
    auto const free = seat.partition().pool().free_bytes();
    require(free <= seat.pool && seat.pool - free >= expected, "a pool is charged for what there is");
    auto const nodes = seat.pool - free - expected;
    require(nodes % node_charge == 0 && nodes / node_charge <= 4 * seat.tried_ids.size(),
            "a pool is charged for nothing else");
}

} // namespace

LedgerPort& Ledger::enter(std::map<std::uint32_t, LedgerPort*>& among, std::uint32_t id, PortSpec const& spec,
                          unsigned seat, PortHandle handle)
{
    ports.push_back({.seat = seat, .id = id, .spec = spec, .handle = handle});
    among[id] = &ports.back();
    return ports.back();
}

void Ledger::bury(LedgerPort& port)
{
    port.alive = false;
    port.spec.handler.reset();
    for (auto const serial : port.waiting)
        messages[serial - 1].state = LedgerMessage::State::Lost;
    port.waiting.clear();
}

bool Ledger::sees_slots(Seat const& seat, unsigned vp)
{
    return abi::PageRegister{seat.guest->vp(vp).synic().simp()}.enabled();
}

bool Ledger::awaited(Seat const& seat, unsigned vp, unsigned sint)
{
    return std::any_of(seat.ports.begin(), seat.ports.end(), [&](auto const& entry) {
        auto const& [id, port] = entry;
        return port->spec.sint.value == sint && port->spec.target_vp.value == vp && !port->waiting.empty();
    });
}

void Ledger::arrive(LedgerPort& port, std::uint64_t serial)
{
    require(serial != 0 && serial <= messages.size(), "a message arrives as it was sent");
    auto& message = messages[serial - 1];
    require(message.port == &port, "a message arrives at its port");
    auto const state = message.state;
    message.state = LedgerMessage::State::Arrived;
    if (port.seat == root_seat) {
        require(state == LedgerMessage::State::Sent, "a message arrives once");
        return;
    }
    require(state == LedgerMessage::State::Waiting, "a message that was accepted arrives, once");
    auto const place = std::find(port.waiting.begin(), port.waiting.end(), serial);
    require(place != port.waiting.end(), "a message arrives that waits");
    require(port.spec.target_vp == any_vp || place == port.waiting.begin(), "messages for one VP keep their order");
    port.waiting.erase(place);
}

void Ledger::look_at_slots()
{
    for (unsigned number = 0; number < seat_count; ++number) {
        auto& seat = seats[number];
        for (unsigned vp = 0; seat.guest && vp < vps_per_guest; ++vp) {
            for (std::uint32_t sint = 0; sint < sint_count && sees_slots(seat, vp); ++sint)
                look_at_slot(number, vp, sint);
        }
    }
}

void Ledger::look_at_slot(unsigned number, unsigned vp, std::uint32_t sint)
{
    auto& seat = seats[number];
    GuestSlot const slot{*seat.guest, Sint{sint}, vp};
    auto const serial = slot.type() == 0 ? 0 : slot.word();
    auto& shown = seat.slots[vp][sint];
    if (serial != shown) {
        require(shown == 0, "nothing overwrites a message");
        require(serial <= messages.size() && messages[serial - 1].port, "a slot has a message that was sent");
        auto& port = *messages[serial - 1].port;
        require(port.alive, "nothing enters a slot after its port was deleted");
        require(port.seat == number && port.spec.sint.value == sint && slot.origin() == port.id &&
                    (port.spec.target_vp == any_vp || port.spec.target_vp.value == vp),
                "a message enters the slot of its port");
        arrive(port, serial);
        shown = serial;
    }
    auto const delivering = abi::bit(seat.guest->vp(vp).synic().scontrol(), 0);
    if (shown != 0 && delivering && awaited(seat, vp, sint))
        require(slot.pending(), "MessagePending tells of those that wait");
}

void Ledger::check(unsigned actor)
{
    for (unsigned number = 0; number < seat_count; ++number) {
        auto& seat = seats[number];
        if (!seat.guest) continue;
        auto& partition = seat.partition();
        require(partition.parent() == seat.parent, "a partition whose parent has gone is the root's");
        check_ports(partition, seat.ports);
        check_connections(seat);
        check_pool(seat);
        if (number != actor) continue;
        require(size_of(partition.ports()) == seat.ports.size(), "a table has the ports that were made");
        require(size_of(partition.connections()) == seat.connections.size(),
                "a table has the connections that were made");
    }
    check_ports(registry_.root(), root_ports);
}

void Ledger::check_ports(Partition& partition, std::map<std::uint32_t, LedgerPort*> const& expected_ports)
{
    unsigned monitors = 0;
    for (auto const& [id, expected] : expected_ports) {
        auto const handle = expected->handle;
        require(handle && partition.ports().find(id) == handle.word, "a port that was made is in its table");
        auto const& port = registry_.slab().at(handle);
        require(port.alive && port.generation == handle.generation() && port.owner == &partition &&
                    port.id.value == id,
                "a port in a table lives and is its owner's");
        require(port.connected == expected->connected, "a port is connected as long as its connection is there");
        auto const used = port.buffers ? std::count_if(port.buffers->begin(), port.buffers->end(),
                                                       [](auto const& buffer) { return buffer.in_use.load(); })
                                       : 0;
        require(static_cast<std::size_t>(used) == expected->waiting.size(), "a buffer is in use for each message");
        monitors += port.monitor ? 1U : 0U;
    }
    require(monitors == partition.monitors().ports, "monitor ports are counted");
}

} // namespace hv::fuzz
