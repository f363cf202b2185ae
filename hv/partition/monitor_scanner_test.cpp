/// What becomes of triggers in a monitor page, and what looking for them costs (TLFS 2.0a §14.5, §14.8.9.1–14.8.10).
#include "hv/partition/monitor_scanner.hpp"
#include "hv/testing/monitor_fabric.hpp"
#include "hv/testing/snapshot.hpp"

#include <functional>

using namespace hv;
using namespace hv::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t armed(unsigned trigger)
{
    return std::uint64_t{1} << (32 + trigger);
}

} // namespace

TEST_CASE("a pending trigger is armed, and signalled its latency later (TLFS 2.0a 14.5, 14.8.9.1)", "[monitor]")
{
    MonitorFabric f;
    f.set_up(10'000); // 1 ms
    f.page.trigger(0);
    REQUIRE(f.next);
    f.now = *f.next;
    f.scan();
    CHECK(f.page.group(0) == (1 | armed(0)));
    f.pass(999us);
    CHECK_FALSE(f.take(0)); // it has to wait for at least its latency
    f.pass(201us);
    CHECK(f.page.group(0) == 0);
    CHECK(f.take(0));
    CHECK(f.interrupts() == 1);
    f.pass(1s);
    CHECK_FALSE(f.take(0));
    CHECK(f.interrupts() == 1);
}

TEST_CASE("a trigger is never signalled before its latency is over, nor long after (TLFS 2.0a 14.5.2)", "[monitor]")
{
    auto const latency = GENERATE(as<std::uint16_t>{}, 1, 2000, 10000, 65535);
    auto const hint = std::max<MonitorScanner::Duration>(latency * 100ns, MonitorScanner::shortest_interval);
    MonitorFabric f;
    f.set_up(latency);
    f.pass(77ms);
    f.page.trigger(0);
    auto const set = f.now;
    while (!f.take(0) && f.now < set + 1s) {
        REQUIRE(f.next);
        f.now = *f.next;
        f.scan();
    }
    CHECK(f.now - set >= latency * 100ns);
    CHECK(f.now - set <= 2 * std::max<MonitorScanner::Duration>(hint, MonitorScanner::idle_interval) + 2 * hint);
}

TEST_CASE("each trigger has its own latency, event flag and bit (TLFS 2.0a 14.8.9.2, 14.8.10)", "[monitor]")
{
    MonitorFabric f;
    f.set_up(2'000);
    f.page.enable(0xF);
    for (unsigned n = 0; n < 128; ++n) {
        f.page.describe(n, 2, static_cast<std::uint16_t>(127 - n), n % 2 == 0 ? 2'000 : 60'000);
        f.page.trigger(n);
    }
    f.pass(5900us); // seen, and the shorter ones ripe
    for (unsigned n = 0; n < 128; ++n) {
        INFO("trigger " << n);
        CHECK(f.take(127 - n) == (n % 2 == 0));
        CHECK(f.page.pending(n) == (n % 2 == 1));
    }
    f.pass(10ms);
    for (unsigned n = 0; n < 128; ++n)
        CHECK(f.take(127 - n) == (n % 2 == 1));
    for (unsigned group = 0; group < 4; ++group)
        CHECK(f.page.group(group) == 0);
}

TEST_CASE("triggers of a group that is not enabled stay pending until it is (TLFS 2.0a 14.8.10)", "[monitor]")
{
    MonitorFabric f;
    f.set_up();
    f.page.describe(40, 2, 40, 10'000);
    f.page.trigger(40);
    f.pass(2s);
    CHECK(f.page.group(1) == 1 << 8);
    CHECK_FALSE(f.take(40));
    f.page.enable(2);
    f.pass(20ms);
    CHECK(f.take(40));
}

TEST_CASE("the Armed bit without Pending is cleared; a trigger that a guest has armed is due at once (TLFS 14.8.9.1)",
          "[monitor]")
{
    MonitorFabric f;
    f.set_up();
    f.page.describe(1, 2, 1, 10'000);
    f.page.set_group(0, armed(0) | armed(1) | 2);
    f.pass(2 * MonitorScanner::idle_interval);
    CHECK(f.page.group(0) == 0);
    CHECK_FALSE(f.take(0));
    CHECK(f.take(1));
}

TEST_CASE("an event that cannot be signalled is a no-op (TLFS 2.0a 14.5.3)", "[monitor]")
{
    MonitorFabric f;
    f.set_up();
    f.page.describe(1, 9, 0, 2'000);           // no such connection
    f.page.describe(2, 3, 0, 2'000);           // the monitor connection itself
    f.page.describe(3, 2, 128, 2'000);         // beyond the port's flags
    f.page.describe(4, 0x0100'0002, 0, 2'000); // reserved bits of the ID
    f.page.describe(5, 2, 5, 2'000);
    __atomic_store_n(&f.page.raw().parameter[0][5].reserved, std::uint16_t{1}, __ATOMIC_SEQ_CST);
    f.page.describe(6, 2, 6, 2'000);
    for (unsigned n = 1; n <= 6; ++n)
        f.page.trigger(n);
    f.pass(50ms);
    CHECK(f.page.group(0) == 0);
    CHECK(f.take(6));
    CHECK(f.interrupts() == 1);
}

TEST_CASE("a sender without SignalEvents signals nothing by its page either (TLFS 2.0a 14.5, 14.9.8)", "[monitor]")
{
    MonitorFabric f;
    auto rights = Rights::root();
    rights.set(Privilege::SignalEvents, false);
    TestGuest const mute{f.registry, rights};
    auto const receiver_id = f.receiver_id();
    auto const make = [&](std::uint32_t id, abi::PortInfo const& info, abi::PortType word) {
        auto const self = self_partition.value;
        REQUIRE(call(f.receiver, abi::CallCode::CreatePort,
                     abi::CreatePortInput{self, id, 0, mute.partition->id().value, info}) == Status::Success);
        REQUIRE(call(mute, abi::CallCode::ConnectPort,
                     abi::ConnectPortInput{self, id, 0, receiver_id, id, 0, word, 0}) == Status::Success);
    };
    make(12, event_port(MonitorFabric::sint.value, 0, 8), abi::PortType::Event);
    make(13, monitor_port(0x2'8000), abi::PortType{0x2'9000});
    GuestMonitorPage const page{mute, 0x2'9000};
    page.describe(0, 12, 3, 2'000);
    page.enable(1);
    page.trigger(0);
    f.scan();
    f.pass(50ms);
    CHECK(page.group(0) == 0);
    CHECK_FALSE(f.take(3));
    f.registry.remove(*mute.partition);
}

TEST_CASE("an idle page with an open trigger is looked at 200 times a second at most (TLFS 2.0a 14.8.10)",
          "[monitor]")
{
    auto const latency = GENERATE(as<std::uint16_t>{}, 0, 1, 10000, 65535);
    MonitorFabric f;
    f.set_up(latency);
    f.pass(100ms);
    CHECK_FALSE(f.page.dozes());
    auto const scans = f.pass(10s);
    CHECK(scans <= 2000);
    CHECK(scans >= 700); // so that notifications are not late either
}

TEST_CASE("eight idle pages are looked at together", "[monitor]")
{
    MonitorFabric f;
    f.set_up();
    for (std::uint32_t id = 0x10; id < 0x17; ++id) {
        REQUIRE(f.create(id, monitor_port(std::uint64_t{id} << 12)) == Status::Success);
        REQUIRE(f.connect_monitor(id, id, std::uint64_t{id} << 12) == Status::Success);
        GuestMonitorPage const page{f.sender, std::uint64_t{id} << 12};
        page.describe(0, 2, 1, static_cast<std::uint16_t>(1'000 * id));
        page.enable(1);
        f.now += 330us;
        f.scan();
    }
    f.pass(100ms);
    CHECK(f.pass(10s) <= 3200);
}

TEST_CASE("a page without an enabled group dozes, and is looked at once a second (TLFS 2.0a 14.8.10)", "[monitor]")
{
    MonitorFabric f;
    f.set_up();
    CHECK_FALSE(f.page.dozes());
    f.page.enable(0);
    f.pass(5s);
    CHECK(f.page.dozes()); // MonitorDisabled
    CHECK(f.pass(100s) <= 101);

    f.page.enable(1 | abi::monitor_disabled);
    f.page.trigger(0);
    f.pass(2 * MonitorScanner::last_doze + 10ms);
    CHECK(f.take(0));
    CHECK_FALSE(f.page.dozes());
}

TEST_CASE("so does a page whose triggers name no connection", "[monitor]")
{
    MonitorFabric f;
    f.set_up();
    f.page.describe(0, 77, 0, 10'000);
    f.pass(5s);
    CHECK(f.page.dozes());
    CHECK(f.pass(100s) <= 101);
}

TEST_CASE("HvSignalEvent has a dozing page looked at again, but not more often than once a millisecond (14.8.10)",
          "[monitor]")
{
    MonitorFabric f;
    f.set_up();
    f.page.enable(0);
    f.pass(10s);
    REQUIRE(f.page.dozes());
    f.page.enable(1);
    f.page.trigger(0);
    auto const wishes = f.host.wishes.load();
    REQUIRE(f.signal(2, 100) == Status::Success);
    CHECK(f.host.wishes == wishes + 1);
    f.scan();
    f.pass(3ms);
    CHECK(f.take(0));

    // A guest that signals all the time while its page dozes.
    f.page.enable(0);
    f.pass(10s);
    REQUIRE(f.page.dozes());
    auto const before = f.host.wishes.load();
    auto const end = f.now + 100ms;
    unsigned signals = 0;
    while (f.now < end) {
        ++signals;
        REQUIRE(f.signal(2, 100) == Status::Success);
        f.now += 10us;
        if (f.next && *f.next <= f.now) f.scan();
        if (f.host.wishes != before) f.next = f.scanner.scan(f.now);
    }
    CHECK(signals > 9000);
    CHECK(f.host.wishes - before <= 101);
}

TEST_CASE("connecting the port that a dozing page's trigger names has the page looked at", "[monitor]")
{
    MonitorFabric f;
    f.set_up();
    f.page.describe(0, 4, 1, 10'000);
    f.pass(10s);
    REQUIRE(f.page.dozes());
    auto const wishes = f.host.wishes.load();
    REQUIRE(f.create(4, event_port(MonitorFabric::sint.value, 200, 8)) == Status::Success);
    REQUIRE(f.connect(4, 4, abi::PortType::Event) == Status::Success);
    CHECK(f.host.wishes == wishes + 1);
    f.page.trigger(0);
    f.scan();
    f.pass(10ms);
    CHECK(f.take(201));
}

TEST_CASE("pages that are pending all the time cost a bounded part of a core", "[monitor]")
{
    MonitorFabric f;
    f.set_up(1);
    for (std::uint32_t id = 0x10; id < 0x17; ++id) {
        REQUIRE(f.create(id, monitor_port(std::uint64_t{id} << 12)) == Status::Success);
        REQUIRE(f.connect_monitor(id, id, std::uint64_t{id} << 12) == Status::Success);
    }
    auto const all_pages = [&](auto action) {
        action(f.page);
        for (std::uint64_t id = 0x10; id < 0x17; ++id)
            action(GuestMonitorPage{f.sender, id << 12});
    };
    all_pages([](GuestMonitorPage const& page) {
        for (unsigned n = 0; n < 128; ++n)
            page.describe(n, 2, static_cast<std::uint16_t>(n), 1);
        page.enable(0xF);
    });
    f.scan();
    auto const end = f.now + 1s;
    std::size_t events = 0;
    unsigned scans = 0;
    while (f.now < end) {
        all_pages([](GuestMonitorPage const& page) {
            for (unsigned group = 0; group < 4; ++group)
                page.set_group(group, ~std::uint64_t{0}); // pending, and armed by the guest itself
        });
        REQUIRE(f.next);
        f.now = *f.next;
        f.scan();
        ++scans;
        for (unsigned flag = 0; flag < 128; ++flag)
            events += f.take(flag);
    }
    CHECK(scans <= 5000);
    CHECK(events > 0);
    CHECK(f.interrupts() <= 1s / MonitorScanner::rest_per_event + 128 * 8);
}

TEST_CASE("without monitor connections there is nothing to come back for", "[monitor]")
{
    MonitorFabric f;
    f.scan();
    CHECK_FALSE(f.next);
    f.set_up();
    CHECK(f.next);
    REQUIRE(f.disconnect(3) == Status::Success);
    f.scan();
    CHECK_FALSE(f.next);
    REQUIRE(f.connect_monitor() == Status::Success);
    f.scan();
    CHECK(f.next);
    REQUIRE(f.remove(3) == Status::Success);
    f.scan();
    CHECK_FALSE(f.next);
}

TEST_CASE("a page in a guest's own memory, whose events go to a handler of the root", "[monitor]")
{
    struct Handler final : PortHandler {
        std::vector<unsigned> flags;
        void on_message(abi::MessageType, std::span<std::byte const>) override {}
        void on_event(unsigned flag) override { flags.push_back(flag); }
    };
    MonitorFabric f;
    auto const handler = std::make_shared<Handler>();
    auto& root = f.registry.root();
    REQUIRE(communication::create_port(root, PortId{1},
                                       {.type = abi::PortType::Event,
                                        .flag_count = 64,
                                        .connection_partition = f.sender.partition->id(),
                                        .handler = handler}) == Status::Success);
    REQUIRE(communication::connect(*f.sender.partition, ConnectionId{9}, root, PortId{1}, abi::PortType::Event) ==
            Status::Success);
    GuestMonitorPage const page{f.sender, 0x3'0000};
    auto const monitored = std::make_shared<MonitoredPage>(f.sender.memory.page(Gpa{0x3'0000}));
    page.describe(70, 9, 33, 2'000);
    page.enable(0xF);
    page.trigger(70);
    REQUIRE(f.scanner.start(monitored, *f.sender.partition));
    f.scan();
    f.pass(20ms);
    CHECK(handler->flags == std::vector<unsigned>{33});
    f.scanner.stop(*monitored);
    page.trigger(70);
    f.pass(20ms);
    f.scan();
    CHECK_FALSE(f.next);
    CHECK(handler->flags.size() == 1);
}

TEST_CASE("a held sender's pages are left alone, and looked at once it is released", "[monitor]")
{
    MonitorFabric f;
    f.set_up(10'000);
    f.pass(1s); // it dozes, or backs off
    f.page.trigger(0);
    f.sender.partition->hold_deliveries();
    auto const before = snapshot(f.sender.memory);
    for (unsigned i = 0; i < 100; ++i) {
        f.now += 10ms;
        f.scan();
    }
    CHECK_FALSE(f.next);
    CHECK(snapshot(f.sender.memory) == before);
    CHECK_FALSE(f.take(0));

    auto const asked = f.host.wishes.load();
    f.sender.partition->release_deliveries();
    CHECK(f.host.wishes == asked + 1);
    f.scan();
    f.pass(3s);
    CHECK(f.take(0));
    CHECK(f.page.group(0) == 0);
}
