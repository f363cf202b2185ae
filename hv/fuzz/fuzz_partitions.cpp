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
#include "hv/fuzz/partition_calls.hpp"
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
using fuzz::LedgerPort;
using fuzz::PartitionCalls;
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
        calls_.next(seat_number_, (first >> 6 & 1) != 0);
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
        case 1: calls_.create_port(seat, input); break;
        case 2: calls_.delete_port(seat, PartitionCalls::port_id(input)); break;
        case 3: calls_.connect(seat, input); break;
        case 4: calls_.disconnect(seat, PartitionCalls::port_id(input)); break;
        case 5: calls_.post(seat, PartitionCalls::port_id(input)); break;
        case 6: {
            auto const id = PartitionCalls::port_id(input);
            calls_.signal(seat, id, input.byte());
            break;
        }
        case 7:
        case 8: {
            auto const vp = input.below(vps_per_guest);
            calls_.empty_slot(seat, vp, input.below(16), what == 7);
            break;
        }
        case 9: calls_.enable(seat, input); break;
        case 10: {
            auto const vp = input.below(vps_per_guest);
            auto const sint = 1 + input.below(15);
            auto const how = std::uint64_t{input.below(8)} << 16;
            write_msr(*seat.guest, abi::msr::sint0 + sint, vector_of(Sint{sint}) | how, vp);
            break;
        }
        case 11: calls_.prefer(seat, input); break;
        case 12: trigger(seat, input); break;
        case 13: pass_time(input.byte()); break;
        case 14: seat.partition().set_active(!seat.partition().active()); break;
        default: {
            auto const id = PartitionCalls::port_id(input);
            auto const type = abi::PortType{1 + input.below(2)};
            ledger_.root_ports.contains(id) ? delete_root_port(id) : create_root_port(id, type, seat);
            break;
        }
        }
    }

    void trigger(Seat const& seat, fuzz::Input& input)
    {
        auto const page = PartitionCalls::monitor_page(input.byte());
        auto const n = input.below(128);
        auto const connection = PartitionCalls::port_id(input);
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
                calls_.empty_slot(seat, vp, sint, true);
                ledger_.look_at_slots();
            }
        }
    }

    RecordingMonitorHost host_;
    PartitionRegistry registry_;
    MonitorScanner::Time now_{std::chrono::hours{1}};
    Ledger ledger_{registry_};
    PartitionCalls calls_{ledger_};
    unsigned seat_number_ = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    fuzz::Input input{{data, size}};
    World world;
    return fuzz::play(world, input);
}
