// Message ports that the root posts to: queueing, order, buffers, deletion. TLFS 2.0a 14.2, 14.9.1, 14.9.2, 14.9.7.
#include "conformance/message_port.hpp"

using namespace guest;
using namespace guest::hv;
using namespace guest::root_posts;

TEST(ports, message_arrives, "2.0a 14.9.1, 14.9.7")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    RUN(posts(1));
    CHECK(wait_until([&] { return interrupt_count(vector) == interrupts_before + 1; }));
    CHECK_EQ(slot(sint).flags & message_pending, 0);
    CHECK_EQ(slot(sint).payload[1], 0);
    RUN(takes(first_payload));
    RUN(nothing_arrives());
    CHECK_EQ(interrupt_count(vector), interrupts_before + 1);
}

TEST(ports, message_arrives_through_the_later_numbering, "HvCallCreatePort 0x0095")
{
    NEEDS_PEER();
    set_sint(sint, vector);
    CHECK_STATUS(call_with(call::create_port_vtl, message_port_input(port, sint)), Status::Success);
    PortGuard const port_guard{port};
    CHECK_STATUS(peer_connect(connection, port, message_port), Status::Success);
    PeerConnection const peer_guard{connection};
    RUN(posts(1));
    RUN(takes(first_payload));
    CHECK_STATUS(delete_port(port), Status::Success);
    CHECK_STATUS(peer_post(connection, 0).status, Status::InvalidPortId);
}

TEST(ports, largest_message, "2.0a 14.9.7")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    CHECK_STATUS(peer_post(connection, first_payload, 1, 0x77, 240).status, Status::Success);
    RUN(takes(first_payload, 240));
    CHECK_STATUS(peer_post(connection, first_payload, 1, 0x77, 241).status, Status::InvalidParameter);
    CHECK_STATUS(peer_post(connection, first_payload, 1, 0, 8).status, Status::InvalidParameter);
    CHECK_STATUS(peer_post(connection, first_payload, 1, 0x8000'0000, 8).status, Status::InvalidParameter);
    RUN(nothing_arrives());
}

TEST(ports, messages_queue_in_order, "2.0a 14.2.3, 14.6.6")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    constexpr u32 count = 5;
    RUN(posts(count));
    CHECK(slot(sint).flags & message_pending);
    for (u32 i = 0; i < count; ++i) {
        note_position(i);
        CHECK(wait_until([&] { return interrupt_count(vector) == interrupts_before + i + 1; }));
        RUN(takes(first_payload + i));
    }
    RUN(nothing_arrives());
    CHECK_EQ(interrupt_count(vector), interrupts_before + count);
}

TEST(ports, eom_alone_does_not_overwrite_the_slot, "2.0a 14.6.6")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    RUN(posts(2));
    wrmsr(msr::eom, 0);
    CHECK_EQ(slot(sint).payload[0], first_payload);
    RUN(takes(first_payload));
    RUN(takes(first_payload + 1));
}

TEST(ports, queued_message_comes_without_eom, "2.0a 14.2.4, redelivery")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    RUN(posts(2));
    store(slot(sint).type, message_none);
    RUN(takes(first_payload + 1));
}

TEST(ports, next_post_delivers_the_queued_message, "2.0a 14.2.4")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    RUN(posts(2));
    store(slot(sint).type, message_none);
    RUN(posts(1, first_payload + 2));
    RUN(takes(first_payload + 1));
    RUN(takes(first_payload + 2));
}

TEST(ports, sixteen_messages_queue, "2.0a 14.2.1, 14.9.7")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    RUN(posts(1));
    auto const answer = peer_post(connection, first_payload + 1, buffers_per_port + 1);
    CHECK_EQ(answer.completed, buffers_per_port);
    CHECK_STATUS(answer.status, Status::InsufficientBuffers);
    for (u32 i = 0; i < buffers_per_port; ++i) {
        note_position(i);
        CHECK_STATUS(answer.statuses[i], Status::Success);
    }
    CHECK_STATUS(peer_post(connection, 0).status, Status::InsufficientBuffers);
    for (u32 i = 0; i <= buffers_per_port; ++i) {
        note_position(i);
        RUN(takes(first_payload + i));
    }
    RUN(nothing_arrives());
    RUN(posts(1));
    RUN(takes(first_payload));
}

TEST(ports, one_buffer_comes_free_with_each_delivery, "2.0a 14.6.6")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    RUN(posts(1));
    CHECK_EQ(peer_post(connection, first_payload + 1, buffers_per_port + 1).completed, buffers_per_port);
    RUN(takes(first_payload));
    CHECK(wait_for_message(sint));
    CHECK_EQ(peer_post(connection, first_payload + 17, 2).completed, 1);
    for (u32 i = 1; i <= buffers_per_port + 1; ++i) {
        note_position(i);
        RUN(takes(first_payload + i));
    }
}

TEST(ports, buffers_are_each_ports_own, "2.0a 14.2.1")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    constexpr u32 other_port = port + 1;
    constexpr u32 other_connection = connection + 1;
    CHECK_STATUS(create_port(message_port_input(other_port, sint)), Status::Success);
    PortGuard const other_guard{other_port};
    CHECK_STATUS(peer_connect(other_connection, other_port, message_port), Status::Success);
    PeerConnection const other_peer{other_connection};
    CHECK_EQ(peer_post(connection, first_payload, buffers_per_port + 2).completed, buffers_per_port + 1);
    CHECK_STATUS(peer_post(other_connection, 0).status, Status::Success);
    for (u32 i = 0; i < buffers_per_port + 1; ++i) {
        note_position(i);
        RUN(takes(first_payload + i));
    }
    CHECK(wait_for_message(sint));
    CHECK_EQ(slot(sint).origin, other_port);
    release_slot(sint);
}

TEST(ports, deleted_port_takes_no_posts, "2.0a 14.9.2")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    CHECK_STATUS(delete_port(port), Status::Success);
    auto const answer = peer_post(connection, 0, 3);
    CHECK_EQ(answer.completed, 0);
    CHECK_STATUS(answer.status, Status::InvalidPortId);
    RUN(nothing_arrives());
    CHECK_EQ(interrupt_count(vector), interrupts_before);
}

TEST(ports, delete_keeps_the_slot_and_loses_the_queue, "2.0a 14.2.3, 14.9.2")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    RUN(posts(4));
    CHECK_STATUS(delete_port(port), Status::Success);
    RUN(takes(first_payload));
    RUN(nothing_arrives());
    CHECK_EQ(interrupt_count(vector), interrupts_before + 1);
    CHECK_STATUS(peer_post(connection, 0).status, Status::InvalidPortId);
}

TEST(ports, delete_leaves_other_ports_messages, "2.0a 14.9.2")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    constexpr u32 other_port = port + 1;
    constexpr u32 other_connection = connection + 1;
    CHECK_STATUS(create_port(message_port_input(other_port, sint)), Status::Success);
    PortGuard const other_guard{other_port};
    CHECK_STATUS(peer_connect(other_connection, other_port, message_port), Status::Success);
    PeerConnection const other_peer{other_connection};
    RUN(posts(2));
    CHECK_EQ(peer_post(other_connection, 7, 2).completed, 2);
    RUN(posts(2, first_payload + 2));
    CHECK_STATUS(delete_port(other_port), Status::Success);
    for (u32 i = 0; i < 4; ++i) {
        note_position(i);
        RUN(takes(first_payload + i));
    }
    RUN(nothing_arrives());
}

TEST(ports, old_connection_does_not_reach_a_new_port, "2.0a 14.4")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    CHECK_STATUS(delete_port(port), Status::Success);
    CHECK_STATUS(create_port(message_port_input(port, sint)), Status::Success);
    CHECK_STATUS(peer_post(connection, 0).status, Status::InvalidPortId);
    CHECK_STATUS(peer_disconnect(connection), Status::Success);
    CHECK_STATUS(peer_connect(connection, port, message_port), Status::Success);
    RUN(posts(1));
    RUN(takes(first_payload));
}

TEST(ports, disconnect_keeps_queued_messages, "2.0a 14.2.3, 14.9.6")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    RUN(posts(3));
    CHECK_STATUS(peer_disconnect(connection), Status::Success);
    CHECK_STATUS(peer_post(connection, 0).status, Status::InvalidConnectionId);
    for (u32 i = 0; i < 3; ++i) {
        note_position(i);
        RUN(takes(first_payload + i));
    }
}
