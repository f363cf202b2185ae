// Statuses of the port, message and event calls that nothing else provokes, in runs that make them possible: without
// the privileges that every guest has otherwise, and with the pool used up. TLFS 2.0a 14.9.
#include "conformance/fixtures.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 sint = 3;
constexpr u32 port = 0x0012'AB01; ///< of the peer
constexpr u32 connection = 0x0032'1001;

/// A connection of ours to a port of the peer.
#define WITH_CONNECTION(type)                                                                                        \
    NEEDS_PEER();                                                                                                    \
    NEEDS(connect_port);                                                                                             \
    CHECK_STATUS(peer_listen(port, type), Status::Success);                                                          \
    PeerPort const peer_guard{port};                                                                                 \
    auto input = connect_input(connection, port);                                                                    \
    input.info[0] = type;                                                                                            \
    CHECK_STATUS(connect_port(input), Status::Success);                                                              \
    ConnectionGuard const connection_guard                                                                           \
    {                                                                                                                \
        connection                                                                                                   \
    }

} // namespace

TEST(statuses, post_without_the_privilege, "2.0a 14.9.7")
{
    SKIP_UNLESS(!offered(feature::post_messages), "PostMessages is granted");
    WITH_CONNECTION(message_port);
    CHECK_STATUS(post_message(connection, 1, 5), Status::AccessDenied);
    // Whatever else is wrong: it learns nothing of what is connected.
    CHECK_STATUS(post_message(connection + 1, 1, 5), Status::AccessDenied);
    CHECK_STATUS(post_message(connection | 0x0100'0000, 1, 5), Status::AccessDenied);
    CHECK_STATUS(post_message(connection, 0, 5, 241), Status::AccessDenied);
    CHECK_EQ(peer_take(port).taken, 0);
}

TEST(statuses, signal_without_the_privilege, "2.0a 14.9.8")
{
    SKIP_UNLESS(!offered(feature::signal_events), "SignalEvents is granted");
    WITH_CONNECTION(event_port);
    CHECK_STATUS(signal_event(connection, 0), Status::AccessDenied);
    CHECK_STATUS(status(hypercall(call::signal_event, reinterpret_cast<u64>(input_page()))), Status::AccessDenied);
    CHECK_STATUS(signal_event(connection + 1, 0), Status::AccessDenied);
    CHECK_STATUS(signal_event(connection, 2048), Status::AccessDenied);
    CHECK_EQ(peer_take(port).taken, 0);
}

TEST(statuses, property_calls_without_create_port, "2.0a 14.9.4, 14.9.5")
{
    NEEDS(hypercall_msrs);
    SKIP_UNLESS(!offered(feature::create_port), "CreatePort is granted");
    enable_hypercalls();
    constexpr u64 strangers[] = {self_partition, root_partition, no_such_partition};
    for (auto const partition : strangers) {
        CHECK_STATUS(get_property(port, property_post_count, partition).status, Status::AccessDenied);
        CHECK_STATUS(set_property(port, property_preferred_vp, 0, partition).status, Status::AccessDenied);
    }
}

TEST(statuses, a_full_pool_refuses_ports_and_connections, "2.0a 14.9.1, 14.9.3")
{
    NEEDS_PEER();
    NEEDS(connect_port);
    constexpr u32 first = 0x0002'0000;
    constexpr u32 more_than_any_pool = 20'000;
    constexpr u32 listening = 4;
    constexpr u32 far = 0x0001'0000; // so that the table of connections grows with each
    for (u32 n = 0; n < listening; ++n)
        CHECK_STATUS(peer_listen(port + n, message_port), Status::Success);

    u32 created = 0;
    auto no_port = Status::Success;
    while (created < more_than_any_pool && no_port == Status::Success) {
        no_port = create_port(message_port_input(first + created, sint));
        if (no_port == Status::Success) ++created;
    }
    u32 connected = 0;
    auto no_connection = Status::Success;
    while (connected < listening && no_connection == Status::Success) {
        no_connection = connect_port(connect_input(connection + connected * far, port + connected));
        if (no_connection == Status::Success) ++connected;
    }
    for (u32 n = 0; n < created; ++n)
        (void)delete_port(first + n);
    // What was given back is there again.
    auto const again = connect_port(connect_input(connection + connected * far, port + connected));
    for (u32 n = 0; n <= connected; ++n)
        (void)disconnect_port(connection + n * far);
    for (u32 n = 0; n < listening; ++n)
        (void)peer_close(port + n);

    CHECK_STATUS(no_port, Status::InsufficientMemory);
    CHECK_STATUS(no_connection, Status::InsufficientMemory);
    CHECK_STATUS(again, Status::Success);
}
