/// HvPostMessage and HvSignalEvent (TLFS 2.0a §14.9.7, §14.9.8): statuses, routing and what arrives.
#include "hv/testing/catch.hpp"
#include "hv/testing/fabric.hpp"

using namespace hv;
using namespace hv::testing;
using abi::CallCode;
using abi::PortType;

namespace {

constexpr Sint sint{2};
constexpr auto any = any_vp.value;

/// Port and connection 1 are for messages, port and connection 2 for event flags 100 to 107.
struct Connected : Fabric {
    explicit Connected(std::uint32_t vp = 0)
    {
        REQUIRE(create(1, message_port(sint.value, vp)) == Status::Success);
        REQUIRE(create(2, event_port(sint.value, 100, 8, vp)) == Status::Success);
        REQUIRE(connect(1, 1, PortType::Message) == Status::Success);
        REQUIRE(connect(2, 2, PortType::Event) == Status::Success);
    }

    [[nodiscard]] Status post_input(abi::PostMessageInput const& input) const
    {
        return call(sender, CallCode::PostMessage, input);
    }
};

} // namespace

TEST_CASE("HvPostMessage: the message that arrives (TLFS 2.0a 14.8.4, newest HV_MESSAGE page)", "[messages]")
{
    Connected fabric;
    start_synic(fabric.receiver);
    auto input = message_input(1, 0x1122'3344'5566'7788, 16, 0x7FFF'FFFF);
    input.payload[1] = 0x99AA'BBCC'DDEE'FF00;
    REQUIRE(fabric.post_input(input) == Status::Success);

    auto const* const bytes = GuestSlot(fabric.receiver, sint).bytes();
    auto const at = [bytes](std::size_t offset, auto value) {
        std::memcpy(&value, bytes + offset, sizeof value);
        return value;
    };
    CHECK(at(0, std::uint32_t{}) == 0x7FFF'FFFF);            // MessageType
    CHECK(at(4, std::uint8_t{}) == 16);                      // PayloadSize
    CHECK(at(5, std::uint8_t{}) == 0);                       // MessageFlags
    CHECK(at(6, std::uint16_t{}) == 0);                      // Reserved
    CHECK(at(8, std::uint64_t{}) == 1);                      // Port: the port's ID, not the connection's or sender's
    CHECK(at(16, std::uint64_t{}) == 0x1122'3344'5566'7788); // Payload
    CHECK(at(24, std::uint64_t{}) == 0x99AA'BBCC'DDEE'FF00);

    REQUIRE(fabric.receiver.sink.asserted.size() == 1);
    CHECK(fabric.receiver.sink.asserted[0] == Assertion{0, vector_of(sint), false});
    CHECK(fabric.sender.sink.asserted.empty());
}

TEST_CASE("HvPostMessage: the origin is the port's ID, not the connection's (TLFS 2.0a 14.8.4)", "[messages]")
{
    Fabric const fabric;
    start_synic(fabric.receiver);
    REQUIRE(fabric.create(0xAB'CDEF, message_port(sint.value)) == Status::Success);
    REQUIRE(fabric.connect(3, 0xAB'CDEF, PortType::Message) == Status::Success);
    REQUIRE(fabric.post(3, 1) == Status::Success);
    CHECK(GuestSlot(fabric.receiver, sint).origin() == 0xAB'CDEF);
}

TEST_CASE("HvPostMessage sends only the first n payload bytes (TLFS 2.0a 14.9.7)", "[messages]")
{
    Connected fabric;
    start_synic(fabric.receiver);
    auto const size = GENERATE(0U, 1U, 7U, 8U, 9U, 15U, 16U, 233U, 239U, 240U);
    auto input = message_input(1, 0, size);
    input.payload.fill(0xABAB'ABAB'ABAB'ABAB);
    GuestSlot const slot{fabric.receiver, sint};

    auto const queued = GENERATE(false, true); // both ways into the slot
    if (queued) {
        REQUIRE(fabric.post(1, 0) == Status::Success);
        REQUIRE(fabric.post_input(input) == Status::Success);
        std::memset(slot.bytes() + 16, 0, abi::max_payload);
        slot.empty();
        slot.end_of_message();
    } else {
        REQUIRE(fabric.post_input(input) == Status::Success);
    }

    auto const arrived = slot.message();
    CHECK(arrived.header.payload_size == size);
    auto const payload = std::as_bytes(std::span{arrived.payload});
    CHECK(std::ranges::all_of(payload.first(size), [](auto b) { return b == std::byte{0xAB}; }));
    CHECK(std::ranges::all_of(payload.subspan(size), [](auto b) { return b == std::byte{0}; }));
}

TEST_CASE("HvPostMessage: INVALID_PARAMETER (TLFS 2.0a 14.9.7)", "[messages]")
{
    Connected const fabric;
    start_synic(fabric.receiver);
    CHECK(fabric.post_input(message_input(1, 0, 8, 0)) == Status::InvalidParameter);
    CHECK(fabric.post_input(message_input(1, 0, 8, 0x8000'0000)) == Status::InvalidParameter);
    CHECK(fabric.post_input(message_input(1, 0, 8, 0x8000'0010)) == Status::InvalidParameter); // a timer's
    CHECK(fabric.post_input(message_input(1, 0, 8, 0xFFFF'FFFF)) == Status::InvalidParameter);
    CHECK(fabric.post_input(message_input(1, 0, 241)) == Status::InvalidParameter);
    CHECK(fabric.post_input(message_input(1, 0, 256)) == Status::InvalidParameter); // 0 in eight bits
    CHECK(fabric.post_input(message_input(1, 0, 0x8000'0000)) == Status::InvalidParameter);
    CHECK(fabric.post_input(message_input(1, 0, 0xFFFF'FFFF)) == Status::InvalidParameter);
    CHECK(GuestSlot(fabric.receiver, sint).type() == 0);
}

TEST_CASE("HvPostMessage: INVALID_CONNECTION_ID and INVALID_PORT_ID (TLFS 2.0a 14.9.7)", "[messages]")
{
    Connected const fabric;
    start_synic(fabric.receiver);
    CHECK(fabric.post(3, 1) == Status::InvalidConnectionId);
    CHECK(fabric.post(0xCD'EF01, 1) == Status::InvalidConnectionId);
    for (unsigned bit = 24; bit < 32; ++bit)
        CHECK(fabric.post(1 | 1U << bit, 1) == Status::InvalidConnectionId);
    CHECK(fabric.post(2, 1) == Status::InvalidPortId); // an event port
    // A connection belongs to its partition: the receiver has none.
    CHECK(call(fabric.receiver, CallCode::PostMessage, message_input(1, 1)) == Status::InvalidConnectionId);
}

TEST_CASE("HvSignalEvent: INVALID_CONNECTION_ID, INVALID_PORT_ID, INVALID_PARAMETER (TLFS 2.0a 14.9.8)", "[messages]")
{
    Connected const fabric;
    start_synic(fabric.receiver);
    CHECK(fabric.signal(3, 0) == Status::InvalidConnectionId);
    for (unsigned bit = 24; bit < 32; ++bit)
        CHECK(fabric.signal(2 | 1U << bit, 0) == Status::InvalidConnectionId);
    CHECK(fabric.signal(1, 0) == Status::InvalidPortId); // a message port
    CHECK(fabric.signal(2, 7) == Status::Success);
    CHECK(fabric.signal(2, 8) == Status::InvalidParameter);
    CHECK(fabric.signal(2, 0xFFFF) == Status::InvalidParameter);
    CHECK(call(fabric.sender, CallCode::SignalEvent, abi::SignalEventInput{2, 0, 1}) == Status::InvalidParameter);
    CHECK(fast_call(fabric.sender, CallCode::SignalEvent, 2 | std::uint64_t{1} << 48) == Status::InvalidParameter);
}

TEST_CASE("posting and signalling need their privileges, whatever else is wrong (TLFS 2.0a 14.9.7, 4.11.2)",
          "[messages]")
{
    PartitionRegistry registry;
    auto rights = Rights::root();
    rights.set(Privilege::PostMessages, false);
    rights.set(Privilege::SignalEvents, false);
    TestGuest const guest{registry, rights};
    CHECK(call(guest, CallCode::PostMessage, message_input(1, 1)) == Status::AccessDenied);
    CHECK(call(guest, CallCode::PostMessage, message_input(1, 1, 999, 0)) == Status::AccessDenied);
    CHECK(call(guest, CallCode::SignalEvent, abi::SignalEventInput{1, 0, 0}) == Status::AccessDenied);
    CHECK(call(guest, CallCode::SignalEvent, abi::SignalEventInput{1, 0, 1}) == Status::AccessDenied);
}

TEST_CASE("a port of a partition that is not active cannot be sent to (TLFS 2.0a 14.9.7, 14.9.8)", "[messages]")
{
    Connected const fabric;
    start_synic(fabric.receiver);
    fabric.receiver.partition->set_active(false);
    CHECK(fabric.post(1, 1) == Status::InvalidPortId);
    CHECK(fabric.signal(2, 1) == Status::InvalidPortId);
    CHECK(GuestSlot(fabric.receiver, sint).type() == 0);
    fabric.receiver.partition->set_active(true);
    CHECK(fabric.post(1, 1) == Status::Success);
}

TEST_CASE("HvPostMessage: the slot and sixteen buffers, then INSUFFICIENT_BUFFERS (TLFS 2.0a 14.2.1)", "[messages]")
{
    Connected const fabric;
    start_synic(fabric.receiver);
    for (std::uint64_t word = 0; word < 17; ++word)
        REQUIRE(fabric.post(1, word) == Status::Success);
    CHECK(fabric.post(1, 17) == Status::InsufficientBuffers);
    CHECK(fabric.post(1, 17) == Status::InsufficientBuffers);

    GuestSlot const slot{fabric.receiver, sint};
    CHECK(slot.take()->payload[0] == 0); // frees one buffer
    CHECK(fabric.post(1, 17) == Status::Success);
    CHECK(fabric.post(1, 18) == Status::InsufficientBuffers);
    for (std::uint64_t word = 1; word <= 17; ++word) {
        auto const message = slot.take();
        REQUIRE(message);
        CHECK(message->payload[0] == word);
    }
    CHECK_FALSE(slot.take());
}

TEST_CASE("one port's full buffers leave another port's free (TLFS 2.0a 14.2.1)", "[messages]")
{
    Connected const fabric;
    start_synic(fabric.receiver);
    REQUIRE(fabric.create(3, message_port(sint.value)) == Status::Success);
    REQUIRE(fabric.connect(3, 3, PortType::Message) == Status::Success);
    while (fabric.post(1, 1) == Status::Success) {
    }
    for (unsigned i = 0; i < 16; ++i)
        CHECK(fabric.post(3, i) == Status::Success);
    CHECK(fabric.post(3, 16) == Status::InsufficientBuffers);
}

TEST_CASE("INVALID_SYNIC_STATE: SynIC or page of the target VP disabled (TLFS 2.0a 14.9.7, 14.9.8)", "[messages]")
{
    Connected const fabric;
    auto const& guest = fabric.receiver;
    CHECK(fabric.post(1, 1) == Status::InvalidSynicState);
    CHECK(fabric.signal(2, 1) == Status::InvalidSynicState);

    start_synic(guest);
    write_msr(guest, abi::msr::scontrol, 0);
    CHECK(fabric.post(1, 1) == Status::InvalidSynicState);
    CHECK(fabric.signal(2, 1) == Status::InvalidSynicState);

    write_msr(guest, abi::msr::scontrol, 1);
    write_msr(guest, abi::msr::simp, place::message_page);
    CHECK(fabric.post(1, 1) == Status::InvalidSynicState);
    CHECK(fabric.signal(2, 1) == Status::Success);

    write_msr(guest, abi::msr::simp, place::message_page | 1);
    write_msr(guest, abi::msr::siefp, place::event_page);
    CHECK(fabric.post(1, 1) == Status::Success);
    CHECK(fabric.signal(2, 2) == Status::InvalidSynicState);

    // Enabled, but where no RAM is.
    write_msr(guest, abi::msr::simp, 0xFEE0'0000 | 1);
    write_msr(guest, abi::msr::siefp, 0xFFFF'FFFF'FFFF'F000 | 1);
    CHECK(fabric.post(1, 1) == Status::InvalidSynicState);
    CHECK(fabric.signal(2, 2) == Status::InvalidSynicState);
}

TEST_CASE("a masked SINT loses the interrupt of a message and refuses an event flag (TLFS 2.0a 14.2.4, 14.3.1)",
          "[messages]")
{
    Connected fabric;
    start_synic(fabric.receiver);
    write_msr(fabric.receiver, abi::msr::sint0 + sint.value, 0x1'0000 | vector_of(sint));
    CHECK(fabric.post(1, 1) == Status::Success);
    CHECK(GuestSlot(fabric.receiver, sint).type() == 1);
    CHECK(fabric.signal(2, 1) == Status::InvalidSynicState);
    CHECK_FALSE(take_flag(fabric.receiver, sint, 101));
    CHECK(fabric.receiver.sink.asserted.empty());
}

TEST_CASE("a polled SINT takes messages and flags without an interrupt (TLFS 6.0b 11.8.5)", "[messages]")
{
    Connected fabric;
    start_synic(fabric.receiver);
    auto const masked = GENERATE(std::uint64_t{0}, std::uint64_t{0x1'0000}); // polling has the effect of unmasking
    write_msr(fabric.receiver, abi::msr::sint0 + sint.value, 0x4'0000 | masked | vector_of(sint));
    CHECK(fabric.post(1, 1) == Status::Success);
    CHECK(fabric.signal(2, 1) == Status::Success);
    CHECK(GuestSlot(fabric.receiver, sint).type() == 1);
    CHECK(take_flag(fabric.receiver, sint, 101));
    CHECK(fabric.receiver.sink.asserted.empty());
}

TEST_CASE("the auto-EOI setting reaches the interrupt (TLFS 2.0a 14.6.5)", "[messages]")
{
    Connected fabric;
    start_synic(fabric.receiver);
    write_msr(fabric.receiver, abi::msr::sint0 + sint.value, 0x2'0000 | 0xF3);
    CHECK(fabric.post(1, 1) == Status::Success);
    CHECK(fabric.signal(2, 1) == Status::Success);
    CHECK(fabric.receiver.sink.asserted == std::vector<Assertion>{{0, 0xF3, true}, {0, 0xF3, true}});
}

TEST_CASE("HvSignalEvent: base + flag, and an interrupt on the edge only (TLFS 2.0a 14.3.1, 14.8.5)", "[messages]")
{
    Connected fabric;
    start_synic(fabric.receiver);
    auto& asserted = fabric.receiver.sink.asserted;

    REQUIRE(fast_call(fabric.sender, CallCode::SignalEvent, 2 | std::uint64_t{3} << 32) == Status::Success);
    auto const* const page = fabric.receiver.ram.get() + place::event_page;
    for (std::size_t i = 0; i < page_size; ++i) // flag 103 of SINT 2: byte 12, bit 7
        CHECK(page[i] == (i == sint.value * 256 + 12 ? std::byte{0x80} : std::byte{0}));
    CHECK(asserted == std::vector<Assertion>{{0, vector_of(sint), false}});

    CHECK(fabric.signal(2, 3) == Status::Success); // still set: no edge
    CHECK(asserted.size() == 1);
    CHECK(fabric.signal(2, 4) == Status::Success); // another flag is another edge
    CHECK(asserted.size() == 2);
    CHECK(take_flag(fabric.receiver, sint, 103));
    CHECK(fabric.signal(2, 3) == Status::Success);
    CHECK(asserted.size() == 3);
}

TEST_CASE("the first and the last event flag of a page (TLFS 2.0a 14.8.5)", "[messages]")
{
    Fabric const fabric;
    start_synic(fabric.receiver);
    REQUIRE(fabric.create(1, event_port(15, 0, 2048)) == Status::Success);
    REQUIRE(fabric.connect(1, 1, PortType::Event) == Status::Success);
    CHECK(fabric.signal(1, 0) == Status::Success);
    CHECK(fabric.signal(1, 2047) == Status::Success);
    CHECK(fabric.signal(1, 2048) == Status::InvalidParameter);
    CHECK(fabric.receiver.ram[place::event_page + 15 * 256] == std::byte{1});
    CHECK(fabric.receiver.ram[place::event_page + 4095] == std::byte{0x80});
    CHECK(fabric.receiver.ram[place::event_page + 4096] == std::byte{0});
}

TEST_CASE("HV_ANY_VP goes to a VP whose SynIC and page are enabled (TLFS 2.0a 14.2.4, 14.3.1)", "[messages]")
{
    Connected fabric{any};
    CHECK(fabric.post(1, 1) == Status::InvalidSynicState);
    CHECK(fabric.signal(2, 1) == Status::InvalidSynicState);

    start_synic(fabric.receiver, 1); // VP 0 stays disabled
    CHECK(fabric.post(1, 1) == Status::Success);
    CHECK(fabric.signal(2, 1) == Status::Success);
    CHECK(GuestSlot(fabric.receiver, sint, 1).type() == 1);
    CHECK(take_flag(fabric.receiver, sint, 101, 1));
    CHECK(fabric.receiver.sink.asserted ==
          std::vector<Assertion>{{1, vector_of(sint), false}, {1, vector_of(sint), false}});

    write_msr(fabric.receiver, abi::msr::scontrol, 0, 1);
    CHECK(fabric.post(1, 2) == Status::InvalidSynicState);
    start_synic(fabric.receiver, 0);
    write_msr(fabric.receiver, abi::msr::simp, 0, 0);
    write_msr(fabric.receiver, abi::msr::scontrol, 1, 1);
    write_msr(fabric.receiver, abi::msr::siefp, 0, 1);
    // Now VP 0 takes events only and VP 1 messages only.
    CHECK(GuestSlot(fabric.receiver, sint, 1).take()->payload[0] == 1);
    CHECK(fabric.post(1, 3) == Status::Success);
    CHECK(fabric.signal(2, 2) == Status::Success);
    CHECK(GuestSlot(fabric.receiver, sint, 1).word() == 3);
    CHECK(take_flag(fabric.receiver, sint, 102, 0));
}

TEST_CASE("a fixed VP is the target whatever the others do (TLFS 2.0a 14.9.1)", "[messages]")
{
    Connected const fabric{1};
    start_synic(fabric.receiver, 0);
    CHECK(fabric.post(1, 1) == Status::InvalidSynicState);
    start_synic(fabric.receiver, 1);
    CHECK(fabric.post(1, 1) == Status::Success);
    CHECK(GuestSlot(fabric.receiver, sint, 0).type() == 0);
    CHECK(GuestSlot(fabric.receiver, sint, 1).type() == 1);
}

TEST_CASE("a refused post that makes room for a waiting message still raises its interrupt (TLFS 2.0a 14.2.4)",
          "[messages]")
{
    Connected fabric;
    start_synic(fabric.receiver);
    REQUIRE(fabric.create(3, message_port(sint.value)) == Status::Success);
    REQUIRE(fabric.connect(3, 3, PortType::Message) == Status::Success);
    REQUIRE(fabric.post(3, 100) == Status::Success); // in the slot
    REQUIRE(fabric.post(3, 101) == Status::Success); // the first to wait, in another port's buffer
    for (std::uint64_t word = 0; word < 16; ++word)
        REQUIRE(fabric.post(1, word) == Status::Success);

    GuestSlot const slot{fabric.receiver, sint};
    slot.empty(); // and no EOM yet
    fabric.receiver.sink.asserted.clear();
    CHECK(fabric.post(1, 16) == Status::InsufficientBuffers);
    CHECK(slot.word() == 101);
    CHECK(fabric.receiver.sink.asserted.size() == 1);
}

TEST_CASE("the tracer is told what becomes of messages and event flags", "[messages]")
{
    struct Recorder final : QuietTracer {
        std::vector<std::pair<std::uint32_t, MessageStep>> messages; // types
        std::vector<std::pair<unsigned, bool>> events;

        void message(VpIndex, Sint, abi::MessageHeader const& header, MessageStep step) override
        {
            messages.emplace_back(static_cast<std::uint32_t>(header.type), step);
        }
        void event(VpIndex, Sint, unsigned flag, bool edge) override { events.emplace_back(flag, edge); }
    };
    using enum Tracer::MessageStep;
    PartitionRegistry registry;
    Recorder tracer;
    TestGuest const receiver{registry, Rights::root(), 1, PartitionRegistry::root_id, std::uint64_t{64} << 20,
                             &tracer};
    TestGuest const sender{registry};
    start_synic(receiver);
    auto const self = self_partition.value;
    auto const connect = [&](std::uint32_t id, PortType type, abi::PortInfo const& info) {
        REQUIRE(call(receiver, CallCode::CreatePort,
                     abi::CreatePortInput{self, id, 0, sender.partition->id().value, info}) == Status::Success);
        REQUIRE(call(sender, CallCode::ConnectPort,
                     abi::ConnectPortInput{self, id, 0, receiver.partition->id().value, id, 0, type, 0}) ==
                Status::Success);
    };
    connect(1, PortType::Message, message_port(sint.value, 0));
    connect(2, PortType::Event, event_port(sint.value, 100, 8, 0));

    for (std::uint32_t type : {0x11U, 0x12U})
        REQUIRE(call(sender, CallCode::PostMessage, message_input(1, 0, 8, type)) == Status::Success);
    CHECK(tracer.messages == decltype(tracer.messages){{0x11, Delivered}, {0x12, Queued}});
    GuestSlot const slot{receiver, sint};
    slot.empty();
    slot.end_of_message();
    CHECK(tracer.messages == decltype(tracer.messages){{0x11, Delivered}, {0x12, Queued}, {0x12, Delivered}});

    for (int i = 0; i < 2; ++i)
        REQUIRE(fast_call(sender, CallCode::SignalEvent, 2 | std::uint64_t{5} << 32) == Status::Success);
    CHECK(tracer.events == decltype(tracer.events){{105, true}, {105, false}});
}
