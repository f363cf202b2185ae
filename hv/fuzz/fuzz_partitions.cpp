/// Up to four partitions and the root that come and go, with ports and connections between them, against a ledger of
/// what was accepted; everything that TLFS 2.0a chapter 14 promises about it is checked after each step.
///
/// The input is a list of steps. A step's first byte says what (bits 3:0) and which of the four seats for partitions
/// acts (bits 5:4); bit 6 has the partition's parent make the call, if that is a guest. One byte for each of the
/// rest:
///   0  a partition is made in the seat (parent's seat, size of its pool), or the one in it is removed
///   1  create a port: ID, seat of the sender, type, SINT, VP, flags
///   2  delete a port: ID
///   3  connect: ID, seat of the receiver (4: root), port, page of a monitor port
///   4  disconnect: ID
///   5  post a message: connection
///   6  signal an event: connection, flag
///   7  empty a slot, then EOM: VP, SINT
///   8  empty a slot only: VP, SINT
///   9  enable or disable: VP, and SCONTROL (bit 0), SIMP (bit 1), SIEFP (bit 2)
///   10 mask, poll or open a SINT: VP, SINT, how
///   11 get and set the preferred VP of a port: ID, VP
///   12 describe and trigger a monitored notification: page, trigger, connection, flag
///   13 time passes: milliseconds; monitor pages and queues are looked at
///   14 the partition becomes inactive, or active again
///   15 the root makes or deletes a port for the seat: ID, type
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/ledger.hpp"
#include "hv/fuzz/play.hpp"
#include "hv/fuzz/pool_account.hpp"
#include "hv/testing/fabric.hpp"
#include "hv/testing/monitor_host.hpp"
#include "hv/testing/monitor_page.hpp"

#include <chrono>
#include <cstring>
#include <memory>
#include <span>

using namespace hv;
using namespace hv::testing;
using fuzz::Ledger;
using fuzz::LedgerMessage;
using fuzz::LedgerPort;
using fuzz::require;
using fuzz::root_seat;
using fuzz::Seat;
using fuzz::seat_count;
using fuzz::vps_per_guest;

namespace {

constexpr std::uint64_t large_pool = std::uint64_t{64} << 20;
constexpr std::uint64_t small_pool = 3 * communication::port_charge + 6 * fuzz::node_charge;

class World {
  public:
    World() { registry_.monitors().set_host(&host_); }

    void step(fuzz::Input& input)
    {
        auto const first = input.byte();
        seat_number_ = first >> 4 & 3U;
        by_parent_ = (first >> 6 & 1) != 0;
        auto& seat = ledger_.seats[seat_number_];
        if ((first & 15) == 0) {
            seat.guest ? remove(seat) : make(seat, input);
        } else if (seat.guest) {
            act(first & 15U, seat, input);
        }
        ledger_.look_at_slots();
        ledger_.check(seat_number_);
    }

    /// What was accepted arrives, and what was charged is given back.
    void end()
    {
        for (auto& seat : ledger_.seats) {
            if (!seat.guest) continue;
            seat.partition().set_active(true);
            for (unsigned vp = 0; vp < vps_per_guest; ++vp)
                drain(seat, vp);
        }
        for (auto const& port : ledger_.ports)
            require(!port.alive || port.waiting.empty(), "every accepted message arrives");
        for (seat_number_ = 0; seat_number_ < seat_count; ++seat_number_) {
            if (ledger_.seats[seat_number_].guest) remove(ledger_.seats[seat_number_]);
            ledger_.check(seat_number_);
        }
        while (!ledger_.root_ports.empty())
            delete_root_port(ledger_.root_ports.begin()->first);
        ledger_.check(seat_number_);
    }

  private:
    // The root's handlers.

    struct RootHandler final : PortHandler {
        RootHandler(World& w, LedgerPort& p) : world{w}, port{p} {}
        void on_message(abi::MessageType, std::span<std::byte const> payload) override
        {
            std::uint64_t serial = 0;
            std::memcpy(&serial, payload.data(), sizeof serial);
            require(port.alive, "nothing arrives at a port that was deleted");
            world.ledger_.arrive(port, serial);
        }
        void on_event(unsigned flag) override
        {
            require(port.alive && flag < port.spec.flag_count, "an event arrives at a port that has its flag");
        }
        World& world;
        LedgerPort& port;
    };

    // Calls and other things that happen.

    void make(Seat& seat, fuzz::Input& input)
    {
        auto const parent = input.below(seat_count + 1);
        seat.pool = input.below(4) == 0 ? large_pool : small_pool;
        seat.parent = parent < seat_count && ledger_.seats[parent].guest ? ledger_.seats[parent].partition().id()
                                                                         : PartitionRegistry::root_id;
        seat.guest = std::make_unique<TestGuest>(registry_, Rights::root(), vps_per_guest, seat.parent, seat.pool);
        for (unsigned vp = 0; vp < vps_per_guest; ++vp)
            start_synic(*seat.guest, vp);
    }

    void remove(Seat& seat)
    {
        auto& partition = seat.partition();
        auto const id = partition.id();
        registry_.remove(partition);
        for (auto const& [port_id, port] : seat.ports)
            ledger_.bury(*port);
        for (auto const& [connection_id, connection] : seat.connections)
            connection.port->connected = false;
        require(fuzz::only_nodes_charged(partition, seat.pool), "a pool has again what it had");
        require(!registry_.find(id), "a removed partition is not found");
        std::weak_ptr<Partition> const last = seat.guest->partition;
        seat = {};
        require(last.expired(), "nobody keeps a removed partition");
        for (auto& other : ledger_.seats) {
            if (other.guest && other.parent == id) other.parent = PartitionRegistry::root_id;
        }
    }

    void act(unsigned what, Seat& seat, fuzz::Input& input)
    {
        switch (what) {
        case 1: create_port(seat, input); break;
        case 2: delete_port(seat, port_id(input)); break;
        case 3: connect(seat, input); break;
        case 4: disconnect(seat, port_id(input)); break;
        case 5: post(seat, port_id(input)); break;
        case 6: {
            auto const id = port_id(input);
            signal(seat, id, input.byte());
            break;
        }
        case 7:
        case 8: {
            auto const vp = input.below(vps_per_guest);
            empty_slot(seat, vp, input.below(16), what == 7);
            break;
        }
        case 9: enable(seat, input); break;
        case 10: {
            auto const vp = input.below(vps_per_guest);
            auto const sint = 1 + input.below(15);
            auto const how = std::uint64_t{input.below(8)} << 16;
            write_msr(*seat.guest, abi::msr::sint0 + sint, vector_of(Sint{sint}) | how, vp);
            break;
        }
        case 11: prefer(seat, input); break;
        case 12: trigger(seat, input); break;
        case 13: pass_time(input.byte()); break;
        case 14: seat.partition().set_active(!seat.partition().active()); break;
        default: {
            auto const id = port_id(input);
            auto const type = abi::PortType{1 + input.below(2)};
            ledger_.root_ports.contains(id) ? delete_root_port(id) : create_root_port(id, type, seat);
            break;
        }
        }
    }

    /// Few, so that they meet; some far apart, so that tables grow.
    static std::uint32_t port_id(fuzz::Input& input)
    {
        auto const byte = input.byte();
        return (byte & 7U) << (byte & 0x18U);
    }

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

    void create_port(Seat& seat, fuzz::Input& input)
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
        auto const charge = communication::port_charge + 2 * fuzz::node_charge +
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

    void connect(Seat& seat, fuzz::Input& input)
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
        auto const charge = communication::connection_charge + 2 * fuzz::node_charge +
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

    static void enable(Seat& seat, fuzz::Input& input)
    {
        auto const vp = input.below(vps_per_guest);
        auto const bits = input.byte();
        auto const offset = vp * place::per_vp;
        write_msr(*seat.guest, abi::msr::scontrol, bits & 1U, vp);
        write_msr(*seat.guest, abi::msr::simp, (place::message_page + offset) | (bits >> 1 & 1U), vp);
        write_msr(*seat.guest, abi::msr::siefp, (place::event_page + offset) | (bits >> 2 & 1U), vp);
    }

    void prefer(Seat& seat, fuzz::Input& input)
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

    void trigger(Seat const& seat, fuzz::Input& input)
    {
        auto const page = monitor_page(input.byte());
        auto const n = input.below(128);
        auto const connection = port_id(input);
        auto const flag = input.byte();
        GuestMonitorPage const monitor{*seat.guest, page};
        monitor.describe(n, connection, flag, 10);
        monitor.enable(1U << n / 32);
        monitor.trigger(n);
    }

    void pass_time(unsigned milliseconds)
    {
        now_ += std::chrono::milliseconds{milliseconds};
        auto const next = registry_.monitors().scan(now_);
        require(!next || *next > now_, "a monitor page is not looked at again at once");
        for (auto const& seat : ledger_.seats) {
            if (!seat.guest) continue;
            for (unsigned vp = 0; vp < vps_per_guest; ++vp)
                seat.guest->vp(vp).synic().scan_queues();
        }
    }

    void create_root_port(std::uint32_t id, abi::PortType type, Seat const& seat)
    {
        PortSpec const spec{
            .type = type, .flag_count = 8, .connection_partition = seat.partition().id(), .handler = nullptr};
        auto& port = ledger_.enter(ledger_.root_ports, id, spec, root_seat, {});
        port.spec.handler = std::make_shared<RootHandler>(*this, port);
        auto const made = communication::create_port(registry_.root(), PortId{id}, port.spec);
        require((made == Status::Success) == (id >> 24 == 0), "the root makes ports as it likes");
        if (made == Status::Success) {
            port.handle = PortHandle{registry_.root().ports().find(id)};
        } else {
            ledger_.bury(port);
            ledger_.root_ports.erase(id);
        }
    }

    void delete_root_port(std::uint32_t id)
    {
        require(communication::delete_port(registry_.root(), PortId{id}) == Status::Success,
                "the root deletes its ports");
        std::weak_ptr<PortHandler> const handler = ledger_.root_ports[id]->spec.handler;
        ledger_.bury(*ledger_.root_ports[id]);
        ledger_.root_ports.erase(id);
        require(handler.expired(), "a deleted port keeps no handler");
    }

    void drain(Seat& seat, unsigned vp)
    {
        start_synic(*seat.guest, vp);
        ledger_.look_at_slots();
        for (unsigned sint = 0; sint < sint_count; ++sint) {
            for (unsigned n = 0; seat.slots[vp][sint] != 0; ++n) {
                require(n < 1000, "a queue has an end");
                empty_slot(seat, vp, sint, true);
                ledger_.look_at_slots();
            }
        }
    }

    static std::uint64_t monitor_page(unsigned choice) { return 0x2'0000 + choice % 4 * page_size; }

    RecordingMonitorHost host_;
    PartitionRegistry registry_;
    MonitorScanner::Time now_{std::chrono::hours{1}};
    Ledger ledger_{registry_};
    unsigned seat_number_ = 0;
    bool by_parent_ = false;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    fuzz::Input input{{data, size}};
    World world;
    return fuzz::play(world, input);
}
