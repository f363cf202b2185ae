// What only two guests can show: one of them sends while the other's port goes. TLFS 2.0a 14.2, 14.9.
#include "conformance/fixtures.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 sint = 3;
constexpr u8 vector = 0xA3;
constexpr u32 port = 0x0012'3401;
constexpr u32 connection = 0x0043'2101; ///< of the other guest
constexpr u32 burst = 400;

PeerRequest many(PeerOperation operation)
{
    PeerRequest request{};
    request.operation = operation;
    request.connection_id = connection;
    request.count = burst;
    request.message_type = 0x77;
    request.payload_size = 16;
    request.payload = 1;
    return request;
}

} // namespace

TEST(two_guests, nothing_arrives_after_a_port_is_deleted, "2.0a 14.9.2")
{
    NEEDS_GUEST_PEER();
    set_sint(sint, vector);
    for (u32 round = 0; round < 10; ++round) {
        note_position(round);
        CHECK_STATUS(create_port(message_port_input(port, sint)), Status::Success);
        PortGuard const port_guard{port};
        CHECK_STATUS(peer_connect(connection, port, message_port), Status::Success);

        begin_asking_peer(many(PeerOperation::post));
        auto last = u64{0};
        auto taken = 0u;
        // The deletion comes in the midst of the burst, and each time elsewhere; but no later than after what the
        // port takes from a burst that outruns us.
        auto const enough = 2 + round;
        auto const arrived = wait_until([&] {
            if (load(slot(sint).type) == message_none) return false;
            auto const payload = slot(sint).payload[0];
            if (payload <= last) return true; // out of order
            last = payload;
            release_slot(sint);
            return ++taken == enough;
        });
        auto const deleted = delete_port(port);
        auto const left = load(slot(sint).type) != message_none;
        if (left) release_slot(sint);
        auto const answer = finish_asking_peer();
        auto const late = load(slot(sint).type) != message_none;
        (void)peer_disconnect(connection);

        CHECK(arrived);
        CHECK_EQ(taken, enough);
        CHECK_STATUS(deleted, Status::Success);
        CHECK(!late);
        // Accepted and not taken were the one in the slot and those in the port's buffers at most.
        CHECK(answer.completed >= taken);
        CHECK(answer.completed <= taken + left + 1 + buffers_per_port);
        // The whole burst may have gone to full buffers before the deletion; otherwise its end finds no port.
        auto const last_status = static_cast<Status>(answer.status);
        if (last_status != Status::Success && last_status != Status::InsufficientBuffers)
            CHECK_STATUS(last_status, Status::InvalidPortId);
    }
}

TEST(two_guests, no_flag_is_set_after_a_port_is_deleted, "2.0a 14.9.2, 14.9.8")
{
    NEEDS_GUEST_PEER();
    constexpr u16 flag = 70;
    set_sint(sint, vector);
    for (u32 round = 0; round < 10; ++round) {
        note_position(round);
        CHECK_STATUS(create_port(event_port_input(port, sint, flag, 1)), Status::Success);
        PortGuard const port_guard{port};
        CHECK_STATUS(peer_connect(connection, port, event_port), Status::Success);
        begin_asking_peer(many(PeerOperation::signal));
        auto seen = 0u;
        auto const arrived = wait_until([&] { return take_event_flag(sint, flag) && ++seen == 3 + round; });
        auto const deleted = delete_port(port);
        (void)take_event_flag(sint, flag);
        auto const answer = finish_asking_peer();
        auto const late = event_flag(sint, flag);
        (void)peer_disconnect(connection);

        CHECK_STATUS(deleted, Status::Success);
        CHECK(!late);
        if (answer.completed < burst) CHECK_STATUS(answer.status, Status::InvalidPortId);
        CHECK(arrived || answer.completed == burst);
    }
}

TEST(two_guests, every_accepted_message_arrives_once_and_in_order, "2.0a 14.2.1")
{
    NEEDS_GUEST_PEER();
    set_sint(sint, vector);
    CHECK_STATUS(create_port(message_port_input(port, sint)), Status::Success);
    PortGuard const port_guard{port};
    CHECK_STATUS(peer_connect(connection, port, message_port), Status::Success);
    PeerConnection const peer_guard{connection};
    begin_asking_peer(many(PeerOperation::post));
    auto last = u64{0};
    auto taken = 0u;
    auto in_order = true;
    // Posts to full buffers are refused, so that numbers are missing; none may come twice or late.
    auto const take = [&] {
        if (load(slot(sint).type) == message_none) return false;
        auto const payload = slot(sint).payload[0];
        in_order = in_order && payload > last;
        last = payload;
        release_slot(sint);
        ++taken;
        return true;
    };
    auto const done = wait_until(
        [&] {
            while (take())
                ;
            return peer_has_answered();
        },
        4 * patience_ms);
    auto const answer = finish_asking_peer();
    auto const all = wait_until([&] {
        (void)take();
        return taken >= answer.completed;
    });
    CHECK(done);
    CHECK(in_order);
    CHECK(all);
    CHECK_EQ(taken, answer.completed);
    CHECK(answer.completed > buffers_per_port);
}

TEST(two_guests, strangers_ports_are_refused, "2.0a 14.9.3")
{
    NEEDS_GUEST_PEER();
    NEEDS(connect_port);
    constexpr u32 its_port = 0x0055'0001;
    constexpr u32 own_connection = 0x0055'0002;
    CHECK_STATUS(connect_port(connect_input(own_connection, its_port)), Status::InvalidPortId);
    CHECK_STATUS(peer_listen(its_port, message_port), Status::Success);
    PeerPort const peer_guard{its_port};
    // It is neither our child nor ourselves.
    CHECK_STATUS(delete_port(its_port, peer_partition()), Status::AccessDenied);
    CHECK_STATUS(connect_port(connect_input(own_connection, its_port)), Status::Success);
    ConnectionGuard const guard{own_connection};
    CHECK_STATUS(post_message(own_connection, 0x88, 5, 16), Status::Success);
    CHECK(wait_until([&] { return peer_take(its_port).taken == 1; }));
}

// The last test that has a peer.
TEST(two_guests, connections_to_a_partition_that_ended_fail, "2.0a 14.2.3, 5.4.3")
{
    NEEDS_GUEST_PEER();
    NEEDS(connect_port);
    constexpr u32 its_port = 0x0055'0001;
    constexpr u32 own_connection = 0x0055'0002;
    CHECK_STATUS(peer_listen(its_port, message_port), Status::Success);
    CHECK_STATUS(connect_port(connect_input(own_connection, its_port)), Status::Success);
    ConnectionGuard const guard{own_connection};
    dismiss_guest_peer();
    CHECK(wait_until(
        [&] {
            auto const status = post_message(own_connection, 0x88, 5, 16);
            return status != Status::Success && status != Status::InsufficientBuffers;
        },
        4 * patience_ms));
    CHECK_STATUS(post_message(own_connection, 0x88, 5, 16), Status::InvalidPortId);
    CHECK_STATUS(disconnect_port(own_connection), Status::Success);
    // Its ports go before it does.
    CHECK(wait_until(
        [&] { return connect_port(connect_input(own_connection, its_port)) == Status::InvalidPartitionId; }));
}
