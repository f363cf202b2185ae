// Our connections to ports of the root. TLFS 2.0a 14.9.3, 14.9.6 to 14.9.8; online HvCallConnectPort.
#include "conformance/fixtures.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 port = 0x0000'0777; ///< of the root
constexpr u32 connection = 0x00CD'0001;

#define WITH_ROOT_PORT(type)                                                                                         \
    NEEDS_PEER();                                                                                                    \
    NEEDS(connect_port);                                                                                             \
    CHECK_STATUS(peer_listen(port, type), Status::Success);                                                          \
    PeerPort const peer_guard{port};                                                                                 \
    ConnectionGuard const connection_guard                                                                           \
    {                                                                                                                \
        connection                                                                                                   \
    }

ConnectPortInput typed(u32 type)
{
    auto input = connect_input(connection, port);
    input.info[0] = type;
    return input;
}

void message_reaches_the_root()
{
    CHECK_STATUS(post_message(connection, 0x99, 0x1000, 24), Status::Success);
    auto const arrived = peer_take(port);
    CHECK_EQ(arrived.taken, 1);
    CHECK_EQ(arrived.taken_type, 0x99);
    CHECK_EQ(arrived.taken_size, 24);
    CHECK_EQ(arrived.taken_origin, port);
    CHECK_EQ(arrived.taken_payload[0], 0x1000);
    CHECK_EQ(arrived.taken_payload[2], 0x1002);
    CHECK_EQ(peer_take(port).taken, 0);
}

} // namespace

TEST(connections, message_reaches_the_root, "2.0a 14.9.3, 14.9.7")
{
    WITH_ROOT_PORT(message_port);
    NEEDS(post_messages);
    CHECK_STATUS(connect_port(connect_input(connection, port)), Status::Success);
    RUN(message_reaches_the_root());
    CHECK_STATUS(disconnect_port(connection), Status::Success);
    CHECK_STATUS(post_message(connection, 0x99, 0), Status::InvalidConnectionId);
}

TEST(connections, message_reaches_the_root_by_the_later_numbering, "HvCallConnectPort 0x0096")
{
    WITH_ROOT_PORT(message_port);
    NEEDS(post_messages);
    CHECK_STATUS(call_with(call::connect_port_vtl, typed(message_port)), Status::Success);
    RUN(message_reaches_the_root());
}

TEST(connections, event_reaches_the_root, "2.0a 14.9.3, 14.9.8")
{
    WITH_ROOT_PORT(event_port);
    NEEDS(signal_events);
    CHECK_STATUS(connect_port(connect_input(connection, port)), Status::Success);
    CHECK_STATUS(signal_event(connection, 0), Status::Success);
    auto const arrived = peer_take(port);
    CHECK_EQ(arrived.taken, 1);
    CHECK_EQ(arrived.taken_flag, 0);
    CHECK_STATUS(post_message(connection, 1, 0), Status::InvalidPortId);
}

TEST(connections, wrong_type_is_refused_by_the_later_numbering, "HvCallConnectPort 0x0096")
{
    WITH_ROOT_PORT(message_port);
    CHECK_STATUS(call_with(call::connect_port_vtl, typed(99)), Status::InvalidParameter);
    CHECK(call_with(call::connect_port_vtl, typed(event_port)) != Status::Success);
    CHECK_STATUS(call_with(call::connect_port_vtl, typed(message_port)), Status::Success);
}

TEST(connections, connect_refuses_bad_inputs, "2.0a 14.9.3")
{
    WITH_ROOT_PORT(message_port);
    auto const refused = [](auto change, Status expected) {
        auto input = connect_input(connection, port);
        change(input);
        CHECK_STATUS(connect_port(input), expected);
    };
    using Input = ConnectPortInput&;
    RUN(refused([](Input in) { in.connection_partition = no_such_partition; }, Status::InvalidPartitionId));
    RUN(refused([](Input in) { in.connection_partition = root_partition; }, Status::AccessDenied));
    RUN(refused([](Input in) { in.port_partition = no_such_partition; }, Status::InvalidPartitionId));
    RUN(refused([](Input in) { in.connection_id |= 0x0100'0000; }, Status::InvalidConnectionId));
    RUN(refused([](Input in) { in.port_id = 0x00FE'DCBA; }, Status::InvalidPortId));
    RUN(refused([](Input in) { in.port_id |= 0x0100'0000; }, Status::InvalidPortId));
    RUN(refused([](Input in) { in.info[0] = 0x1'0000'0000; }, Status::InvalidParameter));
    CHECK_STATUS(disconnect_port(connection), Status::InvalidConnectionId); // none of them left one behind
}

TEST(connections, connect_refuses_an_id_in_use, "2.0a 14.9.3")
{
    WITH_ROOT_PORT(message_port);
    CHECK_STATUS(connect_port(connect_input(connection, port)), Status::Success);
    CHECK_STATUS(peer_listen(port + 1, message_port), Status::Success);
    PeerPort const second_port{port + 1};
    CHECK_STATUS(connect_port(connect_input(connection, port + 1)), Status::InvalidConnectionId);
}

TEST(connections, connect_refuses_a_connected_port, "2.0a 14.9.3")
{
    WITH_ROOT_PORT(message_port);
    ConnectionGuard const second_guard{connection + 1};
    CHECK_STATUS(connect_port(connect_input(connection, port)), Status::Success);
    CHECK_STATUS(connect_port(connect_input(connection + 1, port)), Status::InvalidPortId);
}

TEST(connections, disconnect_twice, "2.0a 14.9.6")
{
    WITH_ROOT_PORT(message_port);
    CHECK_STATUS(connect_port(connect_input(connection, port)), Status::Success);
    CHECK_STATUS(disconnect_port(connection), Status::Success);
    CHECK_STATUS(disconnect_port(connection), Status::InvalidConnectionId);
    CHECK_STATUS(connect_port(connect_input(connection, port)), Status::Success);
    CHECK_STATUS(status(hypercall(call::disconnect_port | fast, self_partition, connection)), Status::Success);
    CHECK_STATUS(status(hypercall(call::disconnect_port | fast, self_partition, connection)),
                 Status::InvalidConnectionId);
}

TEST(connections, disconnect_of_other_partitions, "2.0a 14.9.6")
{
    WITH_ROOT_PORT(message_port);
    CHECK_STATUS(connect_port(connect_input(connection, port)), Status::Success);
    CHECK_STATUS(disconnect_port(connection, no_such_partition), Status::InvalidPartitionId);
    CHECK_STATUS(disconnect_port(connection, root_partition), Status::AccessDenied);
    CHECK_STATUS(disconnect_port(connection | 0x0100'0000), Status::InvalidConnectionId);
    CHECK_STATUS(disconnect_port(connection), Status::Success);
}

TEST(connections, closed_port_takes_no_posts, "2.0a 14.9.2, 14.9.7")
{
    WITH_ROOT_PORT(message_port);
    NEEDS(post_messages);
    CHECK_STATUS(connect_port(connect_input(connection, port)), Status::Success);
    CHECK_STATUS(peer_close(port), Status::Success);
    CHECK_STATUS(post_message(connection, 1, 0), Status::InvalidPortId);
    CHECK_STATUS(disconnect_port(connection), Status::Success);
}

TEST(connections, peer_may_connect_only_where_it_is_named, "2.0a 14.9.1, 14.9.3")
{
    NEEDS_PEER();
    CHECK_STATUS(peer_connect(connection, 0x00AB'CDEF, message_port), Status::InvalidPortId);
    CHECK_STATUS(peer_disconnect(connection), Status::InvalidConnectionId);
}
