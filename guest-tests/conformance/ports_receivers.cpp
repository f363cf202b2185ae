// Who receives what the root posts: masked, polled and disabled sources, other processors, ports that are deleted
// meanwhile. TLFS 2.0a 14.2, 14.6.1, 14.9.1, 14.9.7.
#include "conformance/message_port.hpp"

using namespace guest;
using namespace guest::hv;
using namespace guest::root_posts;

namespace {

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
