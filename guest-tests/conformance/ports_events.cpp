// Event ports: flag ranges, edges, states. TLFS 2.0a 14.3, 14.9.1, 14.9.8.
#include "conformance/fixtures.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 sint = 5;
constexpr u8 vector = 0xB1;
constexpr u32 port = 0x00AB'CD20;
constexpr u32 connection = 0x0000'2234; ///< of the root

#define WITH_EVENT_PORT(base, count)                                                                                 \
    NEEDS_PEER();                                                                                                    \
    set_sint(sint, vector);                                                                                          \
    [[maybe_unused]] auto const interrupts_before = interrupt_count(vector);                                         \
    CHECK_STATUS(create_port(event_port_input(port, sint, base, count)), Status::Success);                           \
    PortGuard const port_guard{port};                                                                                \
    CHECK_STATUS(peer_connect(connection, port, event_port), Status::Success);                                       \
    PeerConnection const peer_guard                                                                                  \
    {                                                                                                                \
        connection                                                                                                   \
    }

void signals(u32 flag, u32 count = 1)
{
    auto const answer = peer_signal(connection, flag, count);
    CHECK_STATUS(answer.status, Status::Success);
    CHECK_EQ(answer.completed, count);
}

/// How many flags of the source are set.
u32 flags_set()
{
    u32 count = 0;
    for (unsigned flag = 0; flag < event_flag_count; ++flag)
        count += event_flag(sint, flag);
    return count;
}

} // namespace

TEST(events, flag_is_base_plus_number, "2.0a 14.9.8")
{
    WITH_EVENT_PORT(100, 20);
    RUN(signals(0));
    RUN(signals(19));
    CHECK(wait_until([&] { return interrupt_count(vector) >= interrupts_before + 1; }));
    CHECK(event_flag(sint, 100));
    CHECK(event_flag(sint, 119));
    CHECK_EQ(flags_set(), 2);
}

TEST(events, flag_beyond_the_count_is_refused, "2.0a 14.9.8")
{
    WITH_EVENT_PORT(100, 20);
    constexpr u32 beyond[] = {20, 21, 2047, 0xFFFF};
    for (auto const flag : beyond) {
        note_position(flag);
        CHECK_STATUS(peer_signal(connection, flag).status, Status::InvalidParameter);
    }
    CHECK_EQ(flags_set(), 0);
    CHECK_EQ(interrupt_count(vector), interrupts_before);
}

TEST(events, first_and_last_flag, "2.0a 14.8.5")
{
    WITH_EVENT_PORT(0, 2048);
    RUN(signals(0));
    RUN(signals(2047));
    CHECK(take_event_flag(sint, 0));
    CHECK(take_event_flag(sint, 2047));
    CHECK_EQ(flags_set(), 0);
    CHECK(!event_flag(sint - 1, 2047));
    CHECK(!event_flag(sint + 1, 0));
}

TEST(events, only_the_edge_interrupts, "2.0a 14.3.1")
{
    WITH_EVENT_PORT(0, 8);
    RUN(signals(3, 10));
    CHECK(wait_until([&] { return interrupt_count(vector) == interrupts_before + 1; }));
    let_time_pass(5000);
    CHECK_EQ(interrupt_count(vector), interrupts_before + 1);
    CHECK(take_event_flag(sint, 3));
    RUN(signals(3));
    CHECK(wait_until([&] { return interrupt_count(vector) == interrupts_before + 2; }));
}

TEST(events, masked_source_refuses, "2.0a 14.3.1, 14.9.8")
{
    WITH_EVENT_PORT(0, 8);
    mask_sint(sint);
    CHECK_STATUS(peer_signal(connection, 0).status, Status::InvalidSynicState);
    CHECK_EQ(interrupt_count(vector), interrupts_before);
    set_sint(sint, vector);
    clear_event_flags(sint);
    RUN(signals(0));
    CHECK(wait_until([&] { return interrupt_count(vector) == interrupts_before + 1; }));
}

TEST(events, polled_source_takes_flags_without_interrupt, "6.0b 11.8.5")
{
    NEEDS(sint_polling);
    WITH_EVENT_PORT(0, 8);
    constexpr u64 settings[] = {sint_polling, sint_polling | sint_masked};
    for (u32 i = 0; i < 2; ++i) { // polling has the effect of unmasking
        note_position(settings[i]);
        set_sint(sint, vector, settings[i]);
        RUN(signals(i));
        CHECK(take_event_flag(sint, i));
    }
    let_time_pass(2000);
    CHECK_EQ(interrupt_count(vector), interrupts_before);
    set_sint(sint, vector);
    RUN(signals(2));
    CHECK(wait_until([&] { return interrupt_count(vector) == interrupts_before + 1; }));
    CHECK(take_event_flag(sint, 2));
}

TEST(events, disabled_receiver_refuses, "2.0a 14.9.8")
{
    WITH_EVENT_PORT(0, 8);
    wrmsr(msr::scontrol, 0);
    CHECK_STATUS(peer_signal(connection, 0).status, Status::InvalidSynicState);
    wrmsr(msr::scontrol, enable_bit);
    auto const siefp = rdmsr(msr::siefp);
    wrmsr(msr::siefp, 0);
    CHECK_STATUS(peer_signal(connection, 0).status, Status::InvalidSynicState);
    wrmsr(msr::siefp, siefp);
    RUN(signals(0));
}

TEST(events, deleted_port_takes_no_signals, "2.0a 14.9.2, 14.9.8")
{
    WITH_EVENT_PORT(0, 8);
    CHECK_STATUS(delete_port(port), Status::Success);
    CHECK_STATUS(peer_signal(connection, 0).status, Status::InvalidPortId);
    CHECK_EQ(flags_set(), 0);
}

TEST(events, delete_keeps_flags_that_are_set, "2.0a 14.9.2")
{
    WITH_EVENT_PORT(0, 8);
    RUN(signals(1));
    CHECK_STATUS(delete_port(port), Status::Success);
    CHECK(event_flag(sint, 1));
}

TEST(events, posts_need_a_message_port, "2.0a 14.9.7")
{
    WITH_EVENT_PORT(0, 8);
    CHECK_STATUS(peer_post(connection, 0).status, Status::InvalidPortId);
}

TEST(events, signals_need_an_event_port, "2.0a 14.9.8")
{
    NEEDS_PEER();
    CHECK_STATUS(create_port(message_port_input(port, sint)), Status::Success);
    PortGuard const port_guard{port};
    CHECK_STATUS(peer_connect(connection, port, message_port), Status::Success);
    PeerConnection const peer_guard{connection};
    CHECK_STATUS(peer_signal(connection, 0).status, Status::InvalidPortId);
}
