// Message ports that the root posts to: queueing, order, buffers, deletion. TLFS 2.0a 14.2, 14.9.1, 14.9.2, 14.9.7.
#include "conformance/fixtures.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 sint = 2;
constexpr u8 vector = 0xA1;
constexpr u32 port = 0x00AB'CD01;
constexpr u32 connection = 0x0000'1234; ///< of the root
constexpr u64 first_payload = 0x5000'0000'0000;

/// A port, the root's connection to it, and the source unmasked.
#define WITH_MESSAGE_PORT(input)                                                                                     \
    NEEDS_PEER();                                                                                                    \
    set_sint(sint, vector);                                                                                          \
    [[maybe_unused]] auto const interrupts_before = interrupt_count(vector);                                         \
    CHECK_STATUS(create_port(input), Status::Success);                                                               \
    PortGuard const port_guard{port};                                                                                \
    CHECK_STATUS(peer_connect(connection, port, message_port), Status::Success);                                     \
    PeerConnection const peer_guard                                                                                  \
    {                                                                                                                \
        connection                                                                                                   \
    }

void posts(u32 count, u64 payload = first_payload)
{
    auto const answer = peer_post(connection, payload, count);
    CHECK_STATUS(answer.status, Status::Success);
    CHECK_EQ(answer.completed, count);
}

/// The message in the slot is the one with this payload; empties the slot.
void takes(u64 payload, u32 size = 16)
{
    CHECK(wait_for_message(sint));
    auto const& message = slot(sint);
    CHECK_EQ(message.type, 0x77);
    CHECK_EQ(message.payload_size, size);
    CHECK_EQ(message.reserved, 0);
    CHECK_EQ(message.origin, port);
    CHECK_EQ(message.payload[0], payload);
    release_slot(sint);
}

void nothing_arrives()
{
    wrmsr(msr::eom, 0);
    let_time_pass(20'000);
    CHECK_EQ(slot(sint).type, message_none);
}

/// What the second processor posts through the root's connection until it is told to stop.
struct Posting {
    bool stop;
    u64 accepted;   ///< and the payload of the next
    u32 unexpected; ///< a status that cannot be; zero otherwise
};
Posting posting;

template <Status... Expected>
void start_posting()
{
    posting = {};
    start_on(
        1,
        [](void*) {
            while (!load(posting.stop)) {
                auto const seen = static_cast<Status>(peer_post(connection, posting.accepted).status);
                if (seen == Status::Success)
                    store(posting.accepted, posting.accepted + 1);
                else if (((seen != Expected) && ...))
                    posting.unexpected = static_cast<u32>(seen);
            }
        },
        nullptr);
}

} // namespace

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

TEST(ports, masked_source_only_receives, "2.0a 14.2.4")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    set_sint(sint, vector, sint_masked);
    RUN(posts(2));
    RUN(takes(first_payload));
    RUN(takes(first_payload + 1));
    let_time_pass(2000);
    CHECK_EQ(interrupt_count(vector), interrupts_before);
}

TEST(ports, polled_source_only_receives, "6.0b 11.8.5")
{
    NEEDS(sint_polling);
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    constexpr u64 settings[] = {sint_polling, sint_polling | sint_masked};
    for (auto const setting : settings) {
        note_position(setting);
        set_sint(sint, vector, setting);
        RUN(posts(2));
        RUN(takes(first_payload));
        RUN(takes(first_payload + 1));
    }
    let_time_pass(2000);
    CHECK_EQ(interrupt_count(vector), interrupts_before);
    set_sint(sint, vector); // and back again
    RUN(posts(1));
    RUN(takes(first_payload));
    CHECK(wait_until([&] { return interrupt_count(vector) == interrupts_before + 1; }));
}

TEST(ports, disabled_receiver_refuses, "2.0a 14.9.7")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    wrmsr(msr::scontrol, 0);
    CHECK_STATUS(peer_post(connection, 0).status, Status::InvalidSynicState);
    wrmsr(msr::scontrol, enable_bit);
    auto const simp = rdmsr(msr::simp);
    wrmsr(msr::simp, 0);
    CHECK_STATUS(peer_post(connection, 0).status, Status::InvalidSynicState);
    wrmsr(msr::simp, simp);
    RUN(posts(1));
    RUN(takes(first_payload));
}

TEST(ports, any_processor_means_an_able_one, "2.0a 14.2.4")
{
    WITH_MESSAGE_PORT(message_port_input(port, sint, any_vp));
    RUN(posts(1));
    RUN(takes(first_payload));
    if (peer_is_a_guest()) return; // the processor that talks to it takes messages at any time
    wrmsr(msr::scontrol, 0);
    CHECK_STATUS(peer_post(connection, 0).status, Status::InvalidSynicState);
    wrmsr(msr::scontrol, enable_bit);
}

TEST(ports, message_to_another_processor, "2.0a 14.9.1")
{
    NEEDS_SECOND_CPU();
    WITH_MESSAGE_PORT(message_port_input(port, sint, 1));
    CHECK_STATUS(peer_post(connection, 0).status, Status::InvalidSynicState);
    static struct Receiver {
        u64 payload;
        bool arrived;
        bool ready;
    } receiver;
    receiver = {};
    start_on(
        1,
        [](void*) {
            Synic const there;
            set_sint(sint, vector);
            store(receiver.ready, true);
            receiver.arrived = wait_for_message(sint, 1);
            receiver.payload = slot(sint, 1).payload[0];
            release_slot(sint);
        },
        nullptr);
    CHECK(wait_until([] { return load(receiver.ready); }));
    RUN(posts(1));
    CHECK(wait_for_task(1, 2 * patience_ms));
    CHECK(receiver.arrived);
    CHECK_EQ(receiver.payload, first_payload);
    CHECK_EQ(slot(sint).type, message_none);
}

TEST(ports, posts_race_with_delete, "2.0a 14.9.2")
{
    NEEDS_SECOND_CPU();
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    start_posting<Status::InvalidPortId, Status::InvalidConnectionId, Status::InsufficientBuffers>();
    bool all_well = wait_until([] { return load(posting.accepted) != 0; });
    for (unsigned round = 0; round < 50 && all_well; ++round) {
        auto const before = load(posting.accepted);
        release_slot(sint);
        all_well = delete_port(port) == Status::Success && peer_disconnect(connection) == Status::Success &&
                   create_port(message_port_input(port, sint)) == Status::Success &&
                   peer_connect(connection, port, message_port) == Status::Success && wait_until([&] {
                       release_slot(sint);
                       return load(posting.accepted) != before;
                   });
        note_position(round);
    }
    store(posting.stop, true);
    CHECK(wait_for_task(1));
    CHECK(all_well);
    CHECK_STATUS(posting.unexpected, Status::Success);
}

// Whatever a post hears meanwhile: what has been accepted waits until the SynIC is back.
TEST(ports, posts_race_with_a_synic_that_comes_and_goes, "2.0a 14.2.3, 14.2.4, 14.6.1")
{
    NEEDS_SECOND_CPU();
    WITH_MESSAGE_PORT(message_port_input(port, sint));
    start_posting<Status::InvalidSynicState, Status::InsufficientBuffers>();
    u64 taken = 0;
    bool in_order = true;
    auto const take_all = [&] {
        while (load(slot(sint).type) != message_none) {
            in_order = in_order && slot(sint).payload[0] == taken;
            release_slot(sint);
            ++taken;
        }
    };
    auto const simp = rdmsr(msr::simp);
    bool flows = true;
    for (unsigned round = 0; round < 50 && flows; ++round) {
        auto const before = taken;
        flows = wait_until([&] {
            take_all();
            return taken != before;
        });
        wrmsr(msr::scontrol, round & 1 ? enable_bit : 0);
        wrmsr(msr::simp, 0);
        let_time_pass(100);
        wrmsr(msr::simp, simp);
        wrmsr(msr::scontrol, enable_bit);
        note_position(round);
    }
    store(posting.stop, true);
    CHECK(wait_for_task(1));
    auto const all = wait_until([&] {
        take_all();
        return taken >= load(posting.accepted);
    });
    CHECK(flows);
    CHECK(in_order);
    CHECK(all);
    CHECK_EQ(taken, posting.accepted);
    CHECK_STATUS(posting.unexpected, Status::Success);
}
