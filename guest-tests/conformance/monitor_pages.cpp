// Monitor ports, their pages, and notifications without a hypercall. TLFS 2.0a 14.5, 14.8.9.1
// to 14.8.10, 14.9.1, 14.9.3.
#include "conformance/fixtures.hpp"
#include "hyperv/monitor.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 sint = 7;
constexpr u8 vector = 0xA7;
constexpr u32 events = 0x00AB'CD40;             ///< an event port, ours or the peer's
constexpr u32 monitor = 0x00AB'CD41;            ///< a monitor port, likewise
constexpr u32 event_connection = 0x0000'4234;   ///< likewise
constexpr u32 monitor_connection = 0x0000'4235; ///< likewise
constexpr u16 millisecond = 10'000;             ///< in 100 ns
constexpr u32 first_group = 1;

Page first_page;
Page second_page;

/// Our monitor port and event port, with the peer's connections to both. The page is one for both, so that we can do
/// here what the peer would do in its own memory.
#define WITH_MONITORED_PORT()                                                                                        \
    NEEDS_PEER();                                                                                                    \
    set_sint(sint, vector);                                                                                          \
    [[maybe_unused]] auto const interrupts_before = interrupt_count(vector);                                         \
    first_page.fill(0x5A);                                                                                           \
    CHECK_STATUS(create_port(event_port_input(events, sint, 0, 64)), Status::Success);                               \
    PortGuard const event_guard{events};                                                                             \
    CHECK_STATUS(create_port(monitor_port_input(monitor, gpa(&first_page))), Status::Success);                       \
    PortGuard const monitor_guard{monitor};                                                                          \
    CHECK_STATUS(peer_connect(event_connection, events, event_port), Status::Success);                               \
    PeerConnection const event_peer{event_connection};                                                               \
    CHECK_STATUS(peer_connect(monitor_connection, monitor, monitor_port), Status::Success);                          \
    PeerConnection const monitor_peer{monitor_connection};                                                           \
    auto& page = monitor_page(first_page)

/// The peer's monitor port and event port, with our connections to both.
#define WITH_MONITORED_CONNECTION()                                                                                  \
    NEEDS_PEER();                                                                                                    \
    NEEDS(connect_port);                                                                                             \
    NEEDS(signal_events);                                                                                            \
    first_page.fill(0x5A);                                                                                           \
    CHECK_STATUS(peer_listen(events, event_port), Status::Success);                                                  \
    PeerPort const event_peer{events};                                                                               \
    CHECK_STATUS(peer_listen(monitor, monitor_port), Status::Success);                                               \
    PeerPort const monitor_peer{monitor};                                                                            \
    CHECK_STATUS(connect_port(connect_input(event_connection, events)), Status::Success);                            \
    ConnectionGuard const event_guard{event_connection};                                                             \
    CHECK_STATUS(connect_port(monitor_connect_input(&first_page)), Status::Success);                                 \
    ConnectionGuard const monitor_guard{monitor_connection};                                                         \
    auto& page = monitor_page(first_page)

ConnectPortInput monitor_connect_input(void const* at)
{
    auto input = connect_input(monitor_connection, monitor);
    input.info[0] = reinterpret_cast<u64>(at);
    return input;
}

/// Trigger 0 of the first group is pulled, and its flag is seen in time.
void flag_comes(MonitorPage& page, u16 flag)
{
    pull_trigger(page, 0);
    CHECK(wait_until([&] { return take_event_flag(sint, flag); }));
    CHECK_EQ(page.trigger_group[0], 0);
}

void peer_hears(MonitorPage& page, u32 flag)
{
    pull_trigger(page, 0);
    PeerRequest taken{};
    CHECK(wait_until([&] {
        taken = peer_take(events);
        return taken.taken == 1;
    }));
    CHECK_EQ(taken.taken_flag, flag);
    CHECK(wait_until([&] { return load(page.trigger_group[0]) == 0; }));
}

} // namespace

TEST(monitor, page_starts_empty_and_covers, "2.0a 14.5.4, 8.1.3")
{
    WITH_MONITORED_PORT();
    (void)page;
    CHECK(first_page.bytes[100] == 0);
    CHECK(first_page.bytes[page_size - 1] == 0);
    CHECK_STATUS(delete_port(monitor), Status::Success);
    CHECK(first_page.holds_only(0x5A));
}

TEST(monitor, trigger_is_signalled, "2.0a 14.5, 14.8.9.1")
{
    WITH_MONITORED_PORT();
    describe_trigger(page, 0, event_connection, 33, millisecond);
    page.trigger_state = first_group;
    RUN(flag_comes(page, 33));
    CHECK(wait_until([&] { return interrupt_count(vector) == interrupts_before + 1; }));
    RUN(flag_comes(page, 33));
}

TEST(monitor, every_group_has_its_triggers, "2.0a 14.8.10")
{
    WITH_MONITORED_PORT();
    constexpr unsigned triggers[] = {0, 31, 32, 63, 64, 95, 96, 127};
    for (auto const n : triggers)
        describe_trigger(page, n, event_connection, static_cast<u16>(n / 2), millisecond);
    page.trigger_state = 0xF;
    for (auto const n : triggers)
        pull_trigger(page, n);
    for (auto const n : triggers) {
        note_position(n);
        CHECK(wait_until([&] { return take_event_flag(sint, n / 2); }));
        CHECK(!trigger_pending(page, n));
    }
}

TEST(monitor, notification_is_deferred_by_its_latency, "2.0a 14.8.9.1")
{
    WITH_MONITORED_PORT();
    constexpr u16 longest = 0xFFFF; // 6.5 ms
    describe_trigger(page, 0, event_connection, 1, longest);
    page.trigger_state = first_group;
    let_time_pass(50'000);
    auto const before = rdtsc();
    RUN(flag_comes(page, 1));
    CHECK(rdtsc() - before >= tsc_frequency() / 10'000'000 * longest);
}

TEST(monitor, group_that_is_not_enabled_waits, "2.0a 14.8.10")
{
    WITH_MONITORED_PORT();
    describe_trigger(page, 0, event_connection, 1, millisecond);
    describe_trigger(page, 40, event_connection, 2, millisecond);
    page.trigger_state = first_group;
    pull_trigger(page, 40);
    RUN(flag_comes(page, 1));
    let_time_pass(20'000);
    CHECK(!event_flag(sint, 2));
    CHECK(trigger_pending(page, 40));
    page.trigger_state = first_group | 2;
    CHECK(wait_until([&] { return take_event_flag(sint, 2); }));
}

TEST(monitor, page_without_enabled_groups_is_found_again, "2.0a 14.8.10")
{
    WITH_MONITORED_PORT();
    describe_trigger(page, 0, event_connection, 9, millisecond);
    let_time_pass(100'000);
    page.trigger_state = first_group;
    RUN(flag_comes(page, 9));
}

TEST(monitor, error_is_discarded, "2.0a 14.5.3")
{
    WITH_MONITORED_PORT();
    describe_trigger(page, 0, event_connection, 5, millisecond);
    describe_trigger(page, 1, 0x00DE'AD00, 5, millisecond);
    describe_trigger(page, 2, event_connection, 64, millisecond); // the port has flags 0 to 63
    describe_trigger(page, 3, event_connection | 0x0100'0000, 5, millisecond);
    page.trigger_state = first_group;
    for (unsigned n = 1; n <= 3; ++n)
        pull_trigger(page, n);
    CHECK(wait_until([&] { return load(page.trigger_group[0]) == 0; }));
    CHECK_EQ(interrupt_count(vector), interrupts_before);
    RUN(flag_comes(page, 5));
}

TEST(monitor, deleted_port_is_not_looked_at, "2.0a 14.4, 14.9.2")
{
    WITH_MONITORED_PORT();
    describe_trigger(page, 0, event_connection, 1, millisecond);
    page.trigger_state = first_group;
    RUN(flag_comes(page, 1));
    CHECK_STATUS(delete_port(monitor), Status::Success);
    first_page.fill(0);
    describe_trigger(page, 0, event_connection, 1, millisecond);
    page.trigger_state = first_group;
    pull_trigger(page, 0);
    let_time_pass(30'000);
    CHECK(!event_flag(sint, 1));
    CHECK(trigger_pending(page, 0));
}

TEST(monitor, disconnected_port_is_not_looked_at, "2.0a 14.9.6")
{
    WITH_MONITORED_PORT();
    describe_trigger(page, 0, event_connection, 1, millisecond);
    page.trigger_state = first_group;
    RUN(flag_comes(page, 1));
    CHECK_STATUS(peer_disconnect(monitor_connection), Status::Success);
    pull_trigger(page, 0);
    let_time_pass(30'000);
    CHECK(trigger_pending(page, 0));
    CHECK_STATUS(peer_connect(monitor_connection, monitor, monitor_port), Status::Success);
    CHECK(wait_until([&] { return take_event_flag(sint, 1); }));
}

TEST(monitor, notifies_the_peer, "2.0a 14.5, 14.9.3")
{
    WITH_MONITORED_CONNECTION();
    describe_trigger(page, 0, event_connection, 12, millisecond);
    page.trigger_state = first_group;
    RUN(peer_hears(page, 12));
    CHECK_STATUS(disconnect_port(monitor_connection), Status::Success);
    CHECK(first_page.holds_only(0x5A));
}

TEST(monitor, signal_wakes_a_page_that_is_not_monitored, "2.0a 14.8.10, MonitorDisabled")
{
    WITH_MONITORED_CONNECTION();
    describe_trigger(page, 0, event_connection, 12, millisecond);
    SKIP_UNLESS(wait_until([&] { return load(page.trigger_state) & monitor_disabled; }),
                "the hypervisor never says that it does not monitor the page");
    page.trigger_state = first_group | monitor_disabled;
    pull_trigger(page, 0);
    CHECK_STATUS(signal_event(event_connection, 3), Status::Success);
    bool seen[64]{};
    CHECK(wait_until([&] {
        auto const taken = peer_take(events);
        if (taken.taken == 1 && taken.taken_flag < 64) seen[taken.taken_flag] = true;
        return seen[3] && seen[12];
    }));
    CHECK_EQ(page.trigger_state & monitor_disabled, 0);
}

TEST(monitor, connect_by_the_later_numbering, "HvCallConnectPort 0x0096")
{
    WITH_MONITORED_CONNECTION();
    CHECK_STATUS(disconnect_port(monitor_connection), Status::Success);
    auto input = connect_input(monitor_connection, monitor);
    input.info[0] = monitor_port;
    input.info[1] = gpa(&second_page) + 8;
    CHECK_STATUS(call_with(call::connect_port_vtl, input), Status::InvalidAlignment);
    input.info[1] = gpa(&second_page);
    input.info[2] = 1;
    CHECK_STATUS(call_with(call::connect_port_vtl, input), Status::InvalidParameter);
    input.info[2] = 0;
    CHECK_STATUS(call_with(call::connect_port_vtl, input), Status::Success);
    auto& moved = monitor_page(second_page);
    describe_trigger(moved, 0, event_connection, 2, millisecond);
    moved.trigger_state = first_group;
    RUN(peer_hears(moved, 2));
    (void)page;
}

TEST(monitor, create_refuses_bad_inputs, "2.0a 14.9.1")
{
    NEEDS(create_port);
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    PortGuard const guard{monitor};
    constexpr u64 beyond_memory = 0xF'FFFF'FFFF'F000;
    CHECK_STATUS(create_port(monitor_port_input(monitor, gpa(&first_page) + 1)), Status::InvalidAlignment);
    CHECK_STATUS(create_port(monitor_port_input(monitor, gpa(&first_page) + 2048)), Status::InvalidAlignment);
    CHECK(create_port(monitor_port_input(monitor, beyond_memory)) != Status::InvalidHypercallCode);
    (void)delete_port(monitor);
    auto input = monitor_port_input(monitor, gpa(&first_page));
    input.base_flag = 1;
    CHECK_STATUS(create_port(input), Status::InvalidParameter);
    input.base_flag = 0;
    input.reserved1 = 1;
    CHECK_STATUS(create_port(input), Status::InvalidParameter);
    input.reserved1 = 0;
    CHECK_STATUS(create_port(input), Status::Success);
    CHECK_STATUS(create_port(input), Status::InvalidPortId);
}

TEST(monitor, connect_refuses_bad_inputs, "2.0a 14.9.3")
{
    WITH_MONITORED_CONNECTION();
    (void)page;
    CHECK_STATUS(disconnect_port(monitor_connection), Status::Success);
    CHECK_STATUS(connect_port(monitor_connect_input(first_page.bytes + 8)), Status::InvalidAlignment);
    CHECK_STATUS(connect_port(monitor_connect_input(first_page.bytes + 3)), Status::InvalidAlignment);
    auto input = connect_input(monitor_connection, monitor);
    input.info[0] = event_port;
    CHECK_STATUS(call_with(call::connect_port_vtl, input), Status::InvalidParameter);
    CHECK_STATUS(connect_port(monitor_connect_input(&first_page)), Status::Success);
    CHECK_STATUS(connect_port(monitor_connect_input(&first_page)), Status::InvalidConnectionId);
    CHECK_STATUS(signal_event(monitor_connection, 0), Status::InvalidPortId);
    CHECK_STATUS(post_message(monitor_connection, 1, 0), Status::InvalidPortId);
}

TEST(monitor, ports_have_a_limit, "2.0a 14.9.1, an implementation limit")
{
    NEEDS(create_port);
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    constexpr u32 many = 4096;
    u32 made = 0;
    auto last = Status::Success;
    while (made < many && last == Status::Success) {
        last = create_port(monitor_port_input(monitor + made, gpa(&first_page)));
        if (last == Status::Success) ++made;
    }
    // The last first: overlays on one page are undone in this order only.
    for (u32 n = made; n > 0; --n)
        CHECK_STATUS(delete_port(monitor + n - 1), Status::Success);
    CHECK(last == Status::NoResources || last == Status::InsufficientMemory);
    CHECK(made >= 1);
}

TEST(monitor, connections_have_a_limit, "2.0a 14.9.3, an implementation limit")
{
    NEEDS_PEER();
    SKIP_UNLESS(!peer_is_a_guest(), "a guest as the peer listens on eight ports at most");
    NEEDS(connect_port);
    constexpr u32 many = 12;
    u32 listening = 0;
    while (listening < many && peer_listen(monitor + listening, monitor_port) == Status::Success)
        ++listening;
    u32 made = 0;
    auto last = Status::Success;
    for (; made < listening; ++made) {
        auto input = connect_input(monitor_connection + made, monitor + made);
        input.info[0] = gpa(&first_page);
        last = connect_port(input);
        if (last != Status::Success) break;
    }
    auto const refused = last;
    for (u32 n = made; n > 0; --n)
        last = disconnect_port(monitor_connection + n - 1);
    for (u32 n = 0; n < listening; ++n)
        (void)peer_close(monitor + n);
    CHECK_EQ(listening, many);
    CHECK_STATUS(refused, Status::NoResources);
    CHECK_STATUS(last, Status::Success);
}

TEST(monitor, doorbell_ports_are_an_invalid_type, "HvCallCreatePort 0x0095, HV_PORT_TYPE")
{
    NEEDS(create_port);
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    auto input = message_port_input(monitor, sint);
    input.port_type = doorbell_port;
    CHECK_STATUS(create_port(input), Status::InvalidParameter);
    CHECK_STATUS(call_with(call::create_port_vtl, input), Status::InvalidParameter);
}
