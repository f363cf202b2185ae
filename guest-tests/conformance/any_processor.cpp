// Ports for HV_ANY_VP: which processor takes what. TLFS 2.0a 14.2.4, 14.3.1, 14.9.7, 14.9.8.
#include "conformance/fixtures.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 sint = 8;
constexpr u8 vector = 0xB6;
constexpr u32 messages = 0x00AB'CD60;
constexpr u32 events = 0x00AB'CD61;
constexpr u32 message_connection = 0x0000'5234; ///< of the peer
constexpr u32 event_connection = 0x0000'5235;   ///< of the peer

/// What processor 1 does until it is told to stop: it has its SynIC and keeps its interrupts off.
struct Second {
    bool stop, ready;
    u64 sint_flags;
} second;

void be_second(void*)
{
    Synic const there;
    set_sint(sint, vector, second.sint_flags);
    store(second.ready, true);
    (void)wait_until([] { return load(second.stop); }, 8 * patience_ms);
    release_slot(sint);
    clear_event_flags(sint, 1);
}

class SecondProcessor {
  public:
    explicit SecondProcessor(u64 sint_flags)
    {
        second = {false, false, sint_flags};
        start_on(1, be_second, nullptr);
        well_ = wait_until([] { return load(second.ready); });
    }
    ~SecondProcessor()
    {
        store(second.stop, true);
        (void)wait_for_task(1);
    }
    SecondProcessor(SecondProcessor const&) = delete;
    SecondProcessor& operator=(SecondProcessor const&) = delete;

    [[nodiscard]] bool is_up() const { return well_; }

  private:
    bool well_;
};

#define WITH_ANY_PORTS()                                                                                             \
    NEEDS_SECOND_CPU();                                                                                              \
    NEEDS_PEER();                                                                                                    \
    set_sint(sint, vector, sint_masked);                                                                             \
    CHECK_STATUS(create_port(message_port_input(messages, sint, any_vp)), Status::Success);                          \
    PortGuard const message_guard{messages};                                                                         \
    CHECK_STATUS(create_port(event_port_input(events, sint, 0, 8, any_vp)), Status::Success);                        \
    PortGuard const event_guard{events};                                                                             \
    CHECK_STATUS(peer_connect(message_connection, messages, message_port), Status::Success);                         \
    PeerConnection const message_peer{message_connection};                                                           \
    CHECK_STATUS(peer_connect(event_connection, events, event_port), Status::Success);                               \
    PeerConnection const event_peer                                                                                  \
    {                                                                                                                \
        event_connection                                                                                             \
    }

Status signal_flag(u32 flag)
{
    return static_cast<Status>(peer_signal(event_connection, flag).status);
}

bool message_on(unsigned processor)
{
    return load(slot(sint, processor).type) != message_none;
}

} // namespace

TEST(any_processor, masked_source_leaves_events_to_another, "2.0a 14.3.1")
{
    WITH_ANY_PORTS();
    CHECK_STATUS(signal_flag(1), Status::InvalidSynicState); // nobody else, and here it is masked
    {
        SecondProcessor const other{0};
        CHECK(other.is_up());
        CHECK_STATUS(signal_flag(1), Status::Success);
        CHECK(event_flag(sint, 1, 1));
        CHECK(!event_flag(sint, 1, 0));
    }
    CHECK_STATUS(signal_flag(1), Status::InvalidSynicState);
}

TEST(any_processor, disabled_synic_leaves_all_to_another, "2.0a 14.2.4, 14.3.1")
{
    WITH_ANY_PORTS();
    wrmsr(msr::scontrol, 0);
    CHECK_STATUS(peer_post(message_connection, 1).status, Status::InvalidSynicState);
    SecondProcessor const other{0};
    CHECK(other.is_up());
    CHECK_STATUS(peer_post(message_connection, 1).status, Status::Success);
    CHECK_STATUS(signal_flag(2), Status::Success);
    CHECK(message_on(1));
    CHECK(event_flag(sint, 2, 1));
    wrmsr(msr::scontrol, enable_bit);
    CHECK(!message_on(0));
    CHECK(!event_flag(sint, 2, 0));
}

TEST(any_processor, disabled_page_leaves_its_traffic_to_another, "2.0a 14.2.4, 14.3.1")
{
    WITH_ANY_PORTS();
    set_sint(sint, vector);
    InterruptsOff const off;
    SecondProcessor const other{0};
    CHECK(other.is_up());
    auto const simp = rdmsr(msr::simp);
    wrmsr(msr::simp, 0);
    CHECK_STATUS(peer_post(message_connection, 1).status, Status::Success);
    CHECK(message_on(1));
    wrmsr(msr::simp, simp);
    auto const siefp = rdmsr(msr::siefp);
    wrmsr(msr::siefp, 0);
    CHECK_STATUS(signal_flag(3), Status::Success);
    CHECK(event_flag(sint, 3, 1));
    wrmsr(msr::siefp, siefp);
}

TEST(any_processor, message_to_a_masked_source_only_when_all_are_masked, "2.0a 14.2.4")
{
    WITH_ANY_PORTS();
    {
        SecondProcessor const other{0};
        CHECK(other.is_up());
        CHECK_STATUS(peer_post(message_connection, 1).status, Status::Success);
        CHECK(message_on(0) || message_on(1)); // the specification leaves it to the hypervisor
    }
    release_slot(sint);
    SecondProcessor const other{sint_masked};
    CHECK(other.is_up());
    CHECK_STATUS(peer_post(message_connection, 2).status, Status::Success);
    CHECK(message_on(0) || message_on(1));
    release_slot(sint);
}
