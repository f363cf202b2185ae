// Messages and events to ourselves, through the SynIC test device that QEMU has too. TLFS 2.0a 14.2, 14.3.
#include "conformance/fixtures.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u8 sint = 4;
constexpr u8 vector = 0x91;
constexpr u8 connection = 0x41;

class SelfConnection {
  public:
    explicit SelfConnection(TestDevice create, u8 vp = 0) : create_{create}, vp_{vp}
    {
        tell_test_device(create, sint, vp, connection);
    }
    ~SelfConnection()
    {
        auto const destroy = static_cast<TestDevice>(static_cast<u8>(create_) + 1);
        tell_test_device(destroy, sint, vp_, connection);
    }
    SelfConnection(SelfConnection const&) = delete;
    SelfConnection& operator=(SelfConnection const&) = delete;

  private:
    TestDevice create_;
    u8 vp_;
};

constexpr auto messages = TestDevice::create_message_connection;
constexpr auto events = TestDevice::create_event_connection;

/// Posts as a sender does who knows that buffers may run out. (That a port has sixteen is tested elsewhere.)
Status post_patiently(u32 type, u64 first, u32 size = 8)
{
    auto result = Status::InsufficientBuffers;
    (void)wait_until([&] {
        result = post_message(connection, type, first, size);
        return result != Status::InsufficientBuffers;
    });
    return result;
}

void message_is(Message volatile const& message, u32 type, u32 size, u64 first)
{
    CHECK_EQ(message.type, type);
    CHECK_EQ(message.payload_size, size);
    for (u64 i = 0; i < size / 8; ++i) {
        note_position(i);
        CHECK_EQ(message.payload[i], first + i);
    }
}

} // namespace

TEST(synic, message_arrives_with_an_interrupt, "2.0a 14.2.4")
{
    NEEDS_TEST_DEVICE();
    NEEDS(post_messages);
    SelfConnection const self{messages};
    set_sint(sint, vector);
    auto const before = interrupt_count(vector);
    CHECK_STATUS(post_message(connection, 0x1234, 0xABCD'0000, 16), Status::Success);
    CHECK(wait_until([&] { return interrupt_count(vector) == before + 1; }));
    RUN(message_is(slot(sint), 0x1234, 16, 0xABCD'0000));
    CHECK_EQ(slot(sint).flags & message_pending, 0);
    release_slot(sint);
}

TEST(synic, message_with_auto_eoi, "2.0a 14.6.5")
{
    NEEDS_TEST_DEVICE();
    NEEDS(post_messages);
    SelfConnection const self{messages};
    set_sint(sint, vector, sint_auto_eoi);
    auto const before = interrupt_count(vector);
    for (u32 i = 1; i <= 5; ++i) {
        note_position(i);
        CHECK_STATUS(post_patiently(i, i), Status::Success);
        CHECK(wait_until([&] { return interrupt_count(vector) == before + i; }));
        RUN(message_is(slot(sint), i, 8, i));
        release_slot(sint);
    }
}

TEST(synic, large_and_empty_message, "2.0a 14.9.7")
{
    NEEDS_TEST_DEVICE();
    NEEDS(post_messages);
    SelfConnection const self{messages};
    constexpr u32 large = 232; // the largest, 240, makes QEMU 7.2 abort: ports.largest_message has it
    CHECK_STATUS(post_patiently(0x7FFF'FFFF, 5, large), Status::Success);
    CHECK(wait_for_message(sint));
    RUN(message_is(slot(sint), 0x7FFF'FFFF, large, 5));
    release_slot(sint);
    CHECK_STATUS(post_patiently(1, 5, 0), Status::Success);
    CHECK(wait_for_message(sint));
    RUN(message_is(slot(sint), 1, 0, 0));
    release_slot(sint);
}

TEST(synic, bad_messages_are_refused, "2.0a 14.9.7")
{
    NEEDS_TEST_DEVICE();
    NEEDS(post_messages);
    SelfConnection const self{messages};
    CHECK_STATUS(post_message(connection, 1, 0, 241), Status::InvalidParameter);
    CHECK_STATUS(post_message(connection, 1, 0, ~0u), Status::InvalidParameter);
    CHECK_STATUS(post_message(connection, 0, 0, 8), Status::InvalidParameter);
    CHECK_STATUS(post_message(connection, message_timer_expired, 0, 8), Status::InvalidParameter);
    CHECK_EQ(slot(sint).type, message_none);
}

TEST(synic, unknown_connections_are_refused, "2.0a 14.9.7, 14.9.8")
{
    NEEDS_SYNIC();
    NEEDS(post_messages);
    NEEDS(signal_events);
    constexpr u32 unknown[] = {0x00BA'D000, 0xFF00'0041, 0};
    for (auto const id : unknown) {
        note_position(id);
        CHECK_STATUS(post_message(id, 1, 0), Status::InvalidConnectionId);
        CHECK_STATUS(signal_event(id, 0), Status::InvalidConnectionId);
    }
}

TEST(synic, masked_source_receives_without_interrupt, "2.0a 14.2.4")
{
    NEEDS_TEST_DEVICE();
    NEEDS(post_messages);
    SelfConnection const self{messages};
    set_sint(sint, vector, sint_masked);
    auto const before = interrupt_count(vector);
    CHECK_STATUS(post_message(connection, 9, 9), Status::Success);
    CHECK(wait_for_message(sint));
    let_time_pass(2000);
    CHECK_EQ(interrupt_count(vector), before);
    release_slot(sint);
}

TEST(synic, second_message_waits_for_the_slot, "2.0a 14.2.4, 14.6.6")
{
    NEEDS_TEST_DEVICE();
    NEEDS(post_messages);
    SelfConnection const self{messages};
    set_sint(sint, vector);
    auto const before = interrupt_count(vector);
    CHECK_STATUS(post_message(connection, 1, 100), Status::Success);
    CHECK(wait_for_message(sint));
    CHECK_STATUS(post_patiently(2, 200), Status::Success);
    CHECK(wait_until([&] { return (load(slot(sint).flags) & message_pending) != 0; }));
    RUN(message_is(slot(sint), 1, 8, 100));
    CHECK_EQ(interrupt_count(vector), before + 1);
    release_slot(sint);
    CHECK(wait_for_message(sint));
    RUN(message_is(slot(sint), 2, 8, 200));
    CHECK(wait_until([&] { return interrupt_count(vector) == before + 2; }));
    release_slot(sint);
}

TEST(synic, message_to_another_processor, "2.0a 14.2.4")
{
    NEEDS_TEST_DEVICE();
    NEEDS(post_messages);
    NEEDS_SECOND_CPU();
    static struct Receiver {
        u32 before;
        u32 type;
        bool arrived;
        bool ready;
    } receiver;
    receiver = {interrupt_count(vector, 1), message_none, false, false};
    start_on(
        1,
        [](void*) {
            Synic const there;
            set_sint(sint, vector);
            store(receiver.ready, true);
            receiver.arrived = wait_until([] { return interrupt_count(vector, 1) == receiver.before + 1; });
            receiver.type = slot(sint, 1).type;
            release_slot(sint);
        },
        nullptr);
    CHECK(wait_until([] { return load(receiver.ready); }));
    SelfConnection const self{messages, 1};
    CHECK_STATUS(post_message(connection, 0x55, 1), Status::Success);
    CHECK(wait_for_task(1, 2 * patience_ms));
    CHECK(receiver.arrived);
    CHECK_EQ(receiver.type, 0x55);
    CHECK_EQ(slot(sint, 0).type, message_none);
}

TEST(synic, event_sets_its_flag_and_interrupts, "2.0a 14.3.1")
{
    NEEDS_TEST_DEVICE();
    NEEDS(signal_events);
    SelfConnection const self{events};
    set_sint(sint, vector);
    auto const before = interrupt_count(vector);
    CHECK_STATUS(signal_event(connection, 0), Status::Success);
    CHECK(wait_until([&] { return interrupt_count(vector) == before + 1; }));
    auto const set = [&] {
        for (unsigned flag = 0; flag < event_flag_count; ++flag) {
            if (take_event_flag(sint, flag)) return true;
        }
        return false;
    };
    CHECK(set());
    CHECK(!set());
}

TEST(synic, event_interrupts_only_on_the_edge, "2.0a 14.3.1")
{
    NEEDS_TEST_DEVICE();
    NEEDS(signal_events);
    SelfConnection const self{events};
    set_sint(sint, vector);
    auto const before = interrupt_count(vector);
    CHECK_STATUS(signal_event(connection, 0), Status::Success);
    CHECK_STATUS(signal_event(connection, 0), Status::Success);
    CHECK_STATUS(signal_event(connection, 0), Status::Success);
    CHECK(wait_until([&] { return interrupt_count(vector) == before + 1; }));
    let_time_pass(2000);
    CHECK_EQ(interrupt_count(vector), before + 1);
    clear_event_flags(sint);
    CHECK_STATUS(signal_event(connection, 0), Status::Success);
    CHECK(wait_until([&] { return interrupt_count(vector) == before + 2; }));
    clear_event_flags(sint);
}

TEST(synic, slow_signal_is_a_signal, "2.0a 14.9.8")
{
    NEEDS_TEST_DEVICE();
    NEEDS(signal_events);
    SelfConnection const self{events};
    set_sint(sint, vector);
    auto const before = interrupt_count(vector);
    CHECK_STATUS(call_with(call::signal_event, u64{connection}), Status::Success);
    CHECK(wait_until([&] { return interrupt_count(vector) == before + 1; }));
    clear_event_flags(sint);
}

TEST(synic, device_asserts_a_source, "the SynIC test device of public test kernels")
{
    NEEDS_TEST_DEVICE();
    set_sint(sint, vector);
    auto const before = interrupt_count(vector);
    tell_test_device(TestDevice::create_route, sint, 0);
    tell_test_device(TestDevice::assert_sint, sint, 0);
    bool const arrived = wait_until([&] { return interrupt_count(vector) == before + 1; });
    tell_test_device(TestDevice::destroy_route, sint, 0);
    CHECK(arrived);
}

TEST(synic, disabled_synic_refuses, "2.0a 14.9.7, 14.9.8")
{
    NEEDS_TEST_DEVICE();
    NEEDS(post_messages);
    SelfConnection const self{messages};
    wrmsr(msr::scontrol, 0);
    CHECK_STATUS(post_message(connection, 1, 1), Status::InvalidSynicState);
    wrmsr(msr::scontrol, enable_bit);
    auto const simp = rdmsr(msr::simp);
    wrmsr(msr::simp, 0);
    CHECK_STATUS(post_message(connection, 1, 1), Status::InvalidSynicState);
    wrmsr(msr::simp, simp);
}
