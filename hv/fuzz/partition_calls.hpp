/// The calls that partitions of a fuzz target make about ports and connections, each held against a ledger of what
/// was accepted.
#pragma once

#include "hv/fuzz/input.hpp"
#include "hv/fuzz/ledger.hpp"
#include "hv/fuzz/play.hpp"
#include "hv/fuzz/pool_account.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/monitor_page.hpp"

#include <cstdint>

namespace hv::fuzz {

using namespace hv::testing;

class PartitionCalls {
  public:
    explicit PartitionCalls(Ledger& ledger) : ledger_{ledger} {}

    /// Those that follow are about the partition in this seat; by its parent, if that is a guest.
    void next(unsigned seat, bool by_parent)
    {
        seat_number_ = seat;
        by_parent_ = by_parent;
    }

    /// Few, so that they meet; some far apart, so that tables grow.
    static std::uint32_t port_id(Input& input)
    {
        auto const byte = input.byte();
        return (byte & 7U) << (byte & 0x18U);
    }

    void create_port(Seat& seat, Input& input)
    {
        auto const id = port_id(input);
        auto const& peer = ledger_.seats[input.below(seat_count)];
        auto const type = abi::PortType{1 + input.below(3)};
        auto const sint = input.below(17);
        auto const vp = input.below(4);
        auto const flags = input.byte();
        auto info = message_port(sint, vp == 3 ? any_vp.value : vp);
        if (type == abi::PortType::Event)
            info = event_port(sint, flags < 128 ? flags : 2048 - (flags & 7U), flags & 15U, info.target_vp);
        else if (type == abi::PortType::Monitor)
            info = monitor_port(monitor_page(flags));

        auto const peer_id = peer.guest ? peer.partition().id().value : 0x1'0000'0000;
        seat.tried_ids.insert(id);
        auto const by = maker(seat);
        auto const free = seat.partition().pool().free_bytes();
        auto const status =
            call(by.guest, abi::CallCode::CreatePort, abi::CreatePortInput{by.name, id, 0, peer_id, info});

        auto const spec_good =
            type == abi::PortType::Monitor ||
            (sint >= 1 && sint <= 15 && vp != 2 &&
             (type == abi::PortType::Message ||
              (info.flag_count != 0 && info.base_flag + info.flag_count <= abi::event_flag_count)));
        auto const good = spec_good && id >> 24 == 0 && peer.guest && &peer != &seat && seat.partition().active() &&
                          peer.partition().active() && !seat.ports.contains(id);
        if (!good) {
            require(status != Status::Success, "no port is made that must not be");
            return;
        }
        auto const charge = communication::port_charge + 2 * node_charge +
                            (type == abi::PortType::Monitor ? communication::monitor_port_charge : 0);
        if (status == Status::NoResources) {
            require(seat.partition().monitors().ports == PartitionMonitors::most_ports, "resources are there");
        } else if (status == Status::InsufficientMemory) {
            require(free < charge, "memory is there");
        } else {
            require(status == Status::Success, "a port is made that may be");
            PortSpec const spec{.type = type,
                                .sint = Sint{sint},
                                .target_vp = VpIndex{info.target_vp},
                                .base_flag = info.base_flag,
                                .flag_count = info.flag_count,
                                .connection_partition = PartitionId{peer_id},
                                .handler = nullptr};
            ledger_.enter(seat.ports, id, spec, seat_number_, PortHandle{seat.partition().ports().find(id)});
        }
    }

    void delete_port(Seat& seat, std::uint32_t id)
    {
        auto const by = maker(seat);
        auto const status = call(by.guest, abi::CallCode::DeletePort, abi::DeletePortInput{by.name, id, 0});
        auto const good = seat.partition().active() && seat.ports.contains(id);
        require((status == Status::Success) == good, "a port is deleted when there is one");
        if (!good) return;
        ledger_.bury(*seat.ports[id]);
        seat.ports.erase(id);
    }

    void connect(Seat& seat, Input& input)
    {
        auto const id = port_id(input);
        auto const receiver_seat = input.below(seat_count + 1);
        auto const port_number = port_id(input);
        auto const page = input.byte();
        auto const* const receiver = receiver_seat == root_seat ? nullptr : &ledger_.seats[receiver_seat];
        if (receiver && !receiver->guest) return;
        auto const receiver_id = receiver ? receiver->partition().id() : PartitionRegistry::root_id;
        auto const& there = receiver ? receiver->ports : ledger_.root_ports;
        auto const found = there.find(port_number);
        auto* const port = found == there.end() ? nullptr : found->second;
        auto const monitor = port && port->spec.type == abi::PortType::Monitor;
        auto const word = monitor ? monitor_page(page) : page & 3U;

        seat.tried_ids.insert(id);
        auto const by = maker(seat);
        auto const free = seat.partition().pool().free_bytes();
        auto const status = call(by.guest, abi::CallCode::ConnectPort,
                                 abi::ConnectPortInput{by.name, id, 0, receiver_id.value, port_number, 0,
                                                       abi::PortType{static_cast<std::uint32_t>(word)}, 0});

        auto const good = id >> 24 == 0 && seat.partition().active() &&
                          (!receiver || receiver->partition().active()) && !seat.connections.contains(id) && port &&
                          !port->connected && port->spec.connection_partition == seat.partition().id() &&
                          (monitor || word == 0 || word == static_cast<std::uint32_t>(port->spec.type));
        if (!good) {
            require(status != Status::Success, "no connection is made that must not be");
            return;
        }
        auto const charge = communication::connection_charge + 2 * node_charge +
                            (monitor ? communication::monitor_connection_charge : 0);
        if (status == Status::NoResources) {
            require(monitor, "resources are there");
        } else if (status == Status::InsufficientMemory) {
            require(free < charge, "memory is there");
        } else {
            require(status == Status::Success, "a connection is made that may be");
            port->connected = true;
            seat.connections[id] = {port, monitor};
        }
    }

    void disconnect(Seat& seat, std::uint32_t id)
    {
        auto const by = maker(seat);
        auto const status = call(by.guest, abi::CallCode::DisconnectPort, abi::DisconnectPortInput{by.name, id, 0});
        auto const good = seat.partition().active() && seat.connections.contains(id);
        require((status == Status::Success) == good, "a connection is closed when there is one");
        if (!good) return;
        seat.connections[id].port->connected = false;
        seat.connections.erase(id);
    }

    void post(Seat& seat, std::uint32_t id)
    {
        auto* const port = reached(seat, id, abi::PortType::Message);
        ledger_.messages.push_back({port});
        auto const serial = ledger_.messages.size();
        auto const status = call(*seat.guest, abi::CallCode::PostMessage, message_input(id, serial));
        auto& message = ledger_.messages[serial - 1];
        if (status != Status::Success) {
            require(message.state == LedgerMessage::State::Sent, "what arrives was accepted");
            message.state = LedgerMessage::State::Refused;
            if (!port) return;
            require(port->seat != root_seat, "the root takes every message");
            ledger_.look_at_slots(); // a refused message may have moved another
            require(status == Status::InvalidSynicState || (status == Status::InsufficientBuffers &&
                                                            port->waiting.size() == abi::message_buffers_per_port),
                    "a message is refused for want of a SynIC or of buffers");
            return;
        }
        require(port, "what is accepted has a port to go to");
        if (message.state == LedgerMessage::State::Arrived) return;
        message.state = LedgerMessage::State::Waiting;
        port->waiting.push_back(serial);
    }

    void signal(Seat& seat, std::uint32_t id, std::uint16_t flag)
    {
        auto* const port = reached(seat, id, abi::PortType::Event);
        auto const status = call(*seat.guest, abi::CallCode::SignalEvent, abi::SignalEventInput{id, flag, 0});
        auto const good = port && flag < port->spec.flag_count;
        if (status != Status::Success) {
            require(!good || (status == Status::InvalidSynicState && port->seat != root_seat),
                    "an event is refused for want of a SynIC");
            return;
        }
        require(good, "what is accepted has a port to go to");
        if (port->seat == root_seat || port->spec.target_vp == any_vp) return;
        require(take_flag(*ledger_.seats[port->seat].guest, port->spec.sint, port->spec.base_flag + flag,
                          port->spec.target_vp.value),
                "the flag of an accepted event is set");
    }

    void empty_slot(Seat& seat, unsigned vp, unsigned sint, bool end)
    {
        if (!Ledger::sees_slots(seat, vp)) return;
        GuestSlot const slot{*seat.guest, Sint{sint}, vp};
        slot.empty();
        seat.slots[vp][sint] = 0;
        if (!end) return;
        slot.end_of_message();
        if (!abi::bit(seat.guest->vp(vp).synic().scontrol(), 0)) return;
        require(!Ledger::awaited(seat, vp, sint) || slot.type() != 0, "EOM delivers what waits");
    }

    void enable(Seat& seat, Input& input)
    {
        auto const vp = input.below(vps_per_guest);
        auto const bits = input.byte();
        auto const offset = vp * place::per_vp;
        write_msr(*seat.guest, abi::msr::scontrol, bits & 1U, vp);
        ledger_.look_at_slots(); // what waited may have entered a slot that SIMP now takes away
        write_msr(*seat.guest, abi::msr::simp, (place::message_page + offset) | (bits >> 1 & 1U), vp);
        write_msr(*seat.guest, abi::msr::siefp, (place::event_page + offset) | (bits >> 2 & 1U), vp);
    }

    void prefer(Seat& seat, Input& input)
    {
        auto const id = port_id(input);
        auto const vp = input.below(4) == 3 ? any_vp.value : std::uint64_t{input.below(3)};
        auto const by = maker(seat);
        auto const code = abi::PortProperty::PreferredTargetVp;
        auto const found = seat.ports.find(id);
        auto const* const port = found == seat.ports.end() ? nullptr : found->second;
        auto const set =
            call(by.guest, abi::CallCode::SetPortProperty, abi::SetPortPropertyInput{by.name, id, 0, code, 0, vp});
        auto const good = port && seat.partition().active() && port->spec.type != abi::PortType::Monitor &&
                          port->spec.target_vp == any_vp && (vp < vps_per_guest || vp == any_vp.value);
        // The output page is not mapped for a call without an output address: the call needs one.
        require(set != Status::Success || good, "only a port for any VP prefers one");
        if (!communication::port_property(seat.partition(), PortId{id}, abi::PortProperty::PostCount))
            require(!port, "a port's property is there");
    }

    static std::uint64_t monitor_page(unsigned choice) { return 0x2'0000 + choice % 4 * page_size; }

  private:
    /// Who makes a call about the seat's partition, and what it is called there.
    struct Maker {
        TestGuest const& guest;
        std::uint64_t name;
    };
    [[nodiscard]] Maker maker(Seat const& seat) const
    {
        for (auto const& other : ledger_.seats) {
            if (by_parent_ && other.guest && other.partition().id() == seat.parent)
                return {*other.guest, seat.partition().id().value};
        }
        return {*seat.guest, self_partition.value};
    }

    /// The port behind a connection when it takes that type of traffic, else nullptr.
    [[nodiscard]] LedgerPort* reached(Seat const& seat, std::uint32_t id, abi::PortType type) const
    {
        auto const found = seat.connections.find(id);
        if (found == seat.connections.end()) return nullptr;
        auto* const port = found->second.port;
        if (!port->alive || port->spec.type != type) return nullptr;
        if (port->seat != root_seat && !ledger_.seats[port->seat].partition().active()) return nullptr;
        return port;
    }

    Ledger& ledger_;
    unsigned seat_number_ = 0;
    bool by_parent_ = false;
};

} // namespace hv::fuzz
