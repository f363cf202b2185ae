/// Monitor ports and their connections (TLFS 2.0a §14.5.4, §14.9.1, §14.9.3): the page, statuses, pools.
#include "hv/testing/monitor_fabric.hpp"

using namespace hv;
using namespace hv::testing;
using namespace std::chrono_literals;
using abi::CallCode;
using abi::PortType;

namespace {

constexpr auto self = self_partition.value;
constexpr auto receiver_gpa = MonitorFabric::receiver_gpa;
constexpr auto sender_gpa = MonitorFabric::sender_gpa;

void fill(TestGuest const& guest, std::uint64_t gpa, unsigned value)
{
    std::fill_n(guest.ram.get() + gpa, page_size, std::byte(value));
}

bool holds_only(TestGuest const& guest, std::uint64_t gpa, unsigned value)
{
    auto const* const page = guest.ram.get() + gpa;
    return std::all_of(page, page + page_size, [value](auto b) { return b == std::byte(value); });
}

} // namespace

TEST_CASE("one page shows in both partitions, and what lay under it comes back (TLFS 2.0a 14.5.4, 8.1.3)",
          "[monitor]")
{
    MonitorFabric f;
    fill(f.receiver, receiver_gpa, 0x11);
    fill(f.sender, sender_gpa, 0x22);
    REQUIRE(f.create(3, monitor_port(receiver_gpa)) == Status::Success);
    CHECK(holds_only(f.receiver, receiver_gpa, 0));
    CHECK(holds_only(f.sender, sender_gpa, 0x22));
    f.receiver.ram[receiver_gpa + 4000] = std::byte{0x33};
    REQUIRE(f.connect_monitor() == Status::Success);
    CHECK(f.sender.ram[sender_gpa + 4000] == std::byte{0x33});
    f.sender.ram[sender_gpa + 4001] = std::byte{0x44};
    CHECK(f.receiver.ram[receiver_gpa + 4001] == std::byte{0x44});
    CHECK(f.receiver.ram[receiver_gpa + page_size] == std::byte{0});

    REQUIRE(f.disconnect(3) == Status::Success);
    CHECK(holds_only(f.sender, sender_gpa, 0x22));
    CHECK(f.receiver.ram[receiver_gpa + 4001] == std::byte{0x44});
    f.sender.ram[sender_gpa] = std::byte{0x55};
    CHECK(f.receiver.ram[receiver_gpa] == std::byte{0});

    REQUIRE(f.connect_monitor(4) == Status::Success);
    CHECK(f.sender.ram[sender_gpa + 4000] == std::byte{0x33});
    REQUIRE(f.remove(3) == Status::Success);
    CHECK(holds_only(f.receiver, receiver_gpa, 0x11));
    CHECK(f.sender.ram[sender_gpa + 4000] == std::byte{0x33}); // the connection keeps it
    REQUIRE(f.disconnect(4) == Status::Success);
    CHECK(f.sender.ram[sender_gpa] == std::byte{0x55});
}

TEST_CASE("the page of a deleted port is not looked at any more (TLFS 2.0a 14.4, 14.9.2)", "[monitor]")
{
    MonitorFabric f;
    f.set_up();
    REQUIRE(f.remove(3) == Status::Success);
    f.page.trigger(0);
    f.pass(20ms);
    f.scan();
    CHECK(f.page.pending(0));
    CHECK_FALSE(f.take(0));
    // Nor by a successor, which has a page of its own.
    REQUIRE(f.create(3, monitor_port(receiver_gpa)) == Status::Success);
    REQUIRE(f.connect_monitor(4, 3, 0x3'0000) == Status::Success);
    f.scan();
    f.pass(20ms);
    CHECK(f.page.pending(0));
    CHECK(f.disconnect(3) == Status::Success);
    CHECK(f.connect_monitor(5) == Status::InvalidPortId); // 4 still is connected
}

TEST_CASE("monitor ports by both numberings (TLFS 2.0a 14.9.1, 14.9.3; 0x0095, 0x0096)", "[monitor]")
{
    MonitorFabric f;
    REQUIRE(call(f.receiver, CallCode::CreatePortVtl,
                 abi::CreatePortVtlInput{self, 3, 0, 0, 0, f.sender_id(), monitor_port(receiver_gpa), 0}) ==
            Status::Success);
    auto const connect = [&](PortType type, std::array<std::uint64_t, 3> info) {
        return call(f.sender, CallCode::ConnectPortVtl,
                    abi::ConnectPortVtlInput{self, 3, 0, 0, 0, f.receiver_id(), 3, 0, type, 0, info, 0});
    };
    CHECK(connect(PortType::Event, {}) == Status::InvalidParameter);
    CHECK(connect(PortType::Monitor, {sender_gpa + 8}) == Status::InvalidAlignment);
    CHECK(connect(PortType::Monitor, {sender_gpa, 1}) == Status::InvalidParameter);
    CHECK(connect(PortType::Monitor, {sender_gpa, 0, 1}) == Status::InvalidParameter);
    CHECK(connect(PortType::Monitor, {sender_gpa}) == Status::Success);
    f.page.describe(0, 2, 9, 10'000);
    f.page.enable(1);
    f.page.trigger(0);
    f.scan();
    f.pass(20ms);
    CHECK(f.take(9));
}

TEST_CASE("a monitor page may lie at GPA 0 (TLFS 2.0a 14.9.3)", "[monitor]")
{
    MonitorFabric f;
    REQUIRE(f.create(3, monitor_port(0)) == Status::Success);
    REQUIRE(f.connect_monitor(3, 3, 0) == Status::Success);
    f.receiver.ram[77] = std::byte{0x77};
    CHECK(f.sender.ram[77] == std::byte{0x77});
}

TEST_CASE("monitor ports: INVALID_ALIGNMENT and INVALID_PARAMETER (TLFS 2.0a 14.9.1, 14.9.3)", "[monitor]")
{
    MonitorFabric f;
    for (std::uint64_t const gpa : {receiver_gpa + 1, receiver_gpa + 8, receiver_gpa + 2048, ~std::uint64_t{0}})
        CHECK(f.create(3, monitor_port(gpa)) == Status::InvalidAlignment);
    for (std::uint64_t const gpa : {std::uint64_t{0xFEE0'0000}, ~std::uint64_t{0xFFF}, std::uint64_t{1} << 52})
        CHECK(f.create(3, monitor_port(gpa)) == Status::InvalidParameter); // no RAM there
    auto reserved = monitor_port(receiver_gpa);
    reserved.base_flag = 1;
    CHECK(f.create(3, reserved) == Status::InvalidParameter);
    reserved.base_flag = 0;
    reserved.reserved = 1;
    CHECK(f.create(3, reserved) == Status::InvalidParameter);

    REQUIRE(f.create(3, monitor_port(receiver_gpa)) == Status::Success);
    CHECK(f.create(3, monitor_port(receiver_gpa)) == Status::InvalidPortId);
    for (std::uint64_t const gpa : {std::uint64_t{3}, sender_gpa + 8, sender_gpa | 1})
        CHECK(f.connect_monitor(3, 3, gpa) == Status::InvalidAlignment);
    CHECK(f.connect_monitor(3, 3, 0xFEE0'0000) == Status::InvalidParameter);
    CHECK(f.connect_monitor(3, 3, std::uint64_t{1} << 40) == Status::InvalidParameter);
    CHECK(f.connect_monitor(3, 2) == Status::InvalidPortId); // connected
    CHECK(f.connect_monitor() == Status::Success);
    CHECK(f.connect_monitor(3) == Status::InvalidConnectionId);
    CHECK(f.connect_monitor(4) == Status::InvalidPortId);
}

TEST_CASE("a page address is no connection to a message or event port (TLFS 2.0a 14.9.3)", "[monitor]")
{
    MonitorFabric f;
    REQUIRE(f.create(4, event_port(1, 0, 1)) == Status::Success);
    CHECK(f.connect_monitor(4, 4, sender_gpa) == Status::InvalidParameter);
    CHECK(f.connect_monitor(4, 4, 3) == Status::InvalidParameter);
    CHECK(f.connect_monitor(4, 4, 0) == Status::Success);
}

TEST_CASE("a monitor port takes no messages and no signals, and has no preferred VP (TLFS 2.0a 14.9.7, 14.9.8)",
          "[monitor]")
{
    MonitorFabric f;
    f.set_up();
    CHECK(f.post(3, 1) == Status::InvalidPortId);
    CHECK(f.signal(3, 0) == Status::InvalidPortId);
    auto& owner = *f.receiver.partition;
    CHECK(communication::set_port_property(owner, PortId{3}, abi::PortProperty::PreferredTargetVp, 0) ==
          Status::OperationDenied);
    auto const count = communication::port_property(owner, PortId{3}, abi::PortProperty::PostCount);
    REQUIRE(count);
    CHECK(*count == 0);
}

TEST_CASE("doorbell ports are refused as a type that is not valid (newest HV_PORT_TYPE)", "[monitor]")
{
    MonitorFabric f;
    CHECK(f.create(3, {PortType::Doorbell, 0, 1, 0, 0, 0, 0}) == Status::InvalidParameter);
    REQUIRE(f.create(3, event_port(1, 0, 1)) == Status::Success);
    CHECK(call(f.sender, CallCode::ConnectPortVtl,
               abi::ConnectPortVtlInput{self, 3, 0, 0, 0, f.receiver_id(), 3, 0, PortType::Doorbell, 0, {}, 0}) ==
          Status::InvalidParameter);
}

TEST_CASE("monitor ports: NO_RESOURCES beyond a number, or when nobody scans (TLFS 2.0a 14.9.1, 14.9.3)", "[monitor]")
{
    MonitorFabric f;
    auto const gpa = [](std::uint32_t n) { return 0x1'0000 + (std::uint64_t{n} << 12); };
    for (std::uint32_t n = 0; n < PartitionMonitors::most_ports; ++n)
        REQUIRE(f.create(0x100 + n, monitor_port(gpa(n))) == Status::Success);
    CHECK(f.create(0x200, monitor_port(gpa(16))) == Status::NoResources);
    REQUIRE(f.remove(0x105) == Status::Success);
    CHECK(f.create(0x200, monitor_port(gpa(16))) == Status::Success);

    f.scanner.set_host(nullptr);
    REQUIRE(f.remove(0x200) == Status::Success);
    CHECK(f.create(0x200, monitor_port(gpa(16))) == Status::NoResources);
    f.scanner.set_host(&f.host);

    for (std::uint32_t n = 0; n < PartitionMonitors::most_connections; ++n)
        REQUIRE(f.connect_monitor(0x100 + n, n == 5 ? 0x10F : 0x100 + n, gpa(n)) == Status::Success);
    CHECK(f.connect_monitor(0x300, 0x10E, gpa(16)) == Status::NoResources);
    REQUIRE(f.disconnect(0x103) == Status::Success);
    CHECK(f.connect_monitor(0x300, 0x10E, gpa(16)) == Status::Success);
}

TEST_CASE("monitor ports and connections are charged, and give back what they took (TLFS 2.0a 14.9.1, 14.9.3)",
          "[monitor]")
{
    MonitorFabric f;
    auto const& owner_pool = f.receiver.partition->pool();
    auto const& sender_pool = f.sender.partition->pool();
    auto const owner_before = owner_pool.free_bytes();
    auto const sender_before = sender_pool.free_bytes();
    for (unsigned round = 0; round < 40; ++round) {
        REQUIRE(f.create(3, monitor_port(receiver_gpa)) == Status::Success);
        CHECK(owner_pool.free_bytes() ==
              owner_before - communication::port_charge - communication::monitor_port_charge);
        CHECK(f.connect_monitor(3, 3, sender_gpa + 1) == Status::InvalidAlignment);
        CHECK(sender_pool.free_bytes() == sender_before);
        REQUIRE(f.connect_monitor() == Status::Success);
        CHECK(sender_pool.free_bytes() ==
              sender_before - communication::connection_charge - communication::monitor_connection_charge);
        if (round % 2 == 0) {
            REQUIRE(f.disconnect(3) == Status::Success);
            REQUIRE(f.remove(3) == Status::Success);
        } else {
            REQUIRE(f.remove(3) == Status::Success);
            REQUIRE(f.disconnect(3) == Status::Success);
        }
        CHECK(owner_pool.free_bytes() == owner_before);
        CHECK(sender_pool.free_bytes() == sender_before);
    }
}

TEST_CASE("monitor ports: INSUFFICIENT_MEMORY of the pool, and of the host (TLFS 2.0a 14.9.1, 14.9.3)", "[monitor]")
{
    MonitorFabric f;
    auto& owner_pool = f.receiver.partition->pool();
    f.host.out_of_memory = true;
    auto const before = owner_pool.free_bytes();
    CHECK(f.create(3, monitor_port(receiver_gpa)) == Status::InsufficientMemory);
    CHECK(owner_pool.free_bytes() == before);
    f.host.out_of_memory = false;

    auto const leave = [](MemoryPool& pool, std::uint64_t bytes) {
        auto const taken = pool.free_bytes() - bytes;
        REQUIRE(pool.charge(taken));
        return taken;
    };
    auto const taken = leave(owner_pool, communication::port_charge + communication::monitor_port_charge - 1);
    CHECK(f.create(3, monitor_port(receiver_gpa)) == Status::InsufficientMemory);
    owner_pool.release(taken);
    REQUIRE(f.create(3, monitor_port(receiver_gpa)) == Status::Success);

    auto& sender_pool = f.sender.partition->pool();
    auto const rest =
        leave(sender_pool, communication::connection_charge + communication::monitor_connection_charge - 1);
    CHECK(f.connect_monitor() == Status::InsufficientMemory);
    sender_pool.release(rest);
    CHECK(f.connect_monitor() == Status::Success); // the refused one has left the port free
}

TEST_CASE("a partition that goes takes its monitor pages along (TLFS 2.0a 5.4.3)", "[monitor]")
{
    MonitorFabric f;
    fill(f.sender, sender_gpa, 0x22);
    f.set_up();
    auto const sender_goes = GENERATE(true, false);
    f.registry.remove(*(sender_goes ? f.sender : f.receiver).partition);
    f.scan();
    CHECK_FALSE(f.next);
    if (sender_goes) {
        CHECK(holds_only(f.sender, sender_gpa, 0x22));
        CHECK(f.remove(3) == Status::Success);
    } else {
        CHECK(f.disconnect(3) == Status::Success);
        CHECK(holds_only(f.sender, sender_gpa, 0x22));
    }
}
