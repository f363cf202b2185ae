// The port calls from 32-bit code, by registers and by XMM registers. TLFS 2.0a 4.6, 14.9; hypercall-interface, XMM
// fast input.
#include "conformance/fixtures.hpp"
#include "hyperv/call_forms.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 sint = 6;
constexpr u8 vector = 0xA8;
constexpr u32 port = 0x00AB'CD50;
constexpr u32 peers_port = 0x0000'0888;
constexpr u32 connection = 0x00CD'0050;
constexpr u64 creates[] = {call::create_port, call::create_port_vtl};
constexpr u64 connects[] = {call::connect_port, call::connect_port_vtl};

struct Words {
    u64 word[16];
};

template <typename Input>
Words words_of(Input const& input)
{
    Words words{};
    memcpy(words.word, &input, sizeof input);
    return words;
}

Status call_by_xmm(u64 code, Words const& words)
{
    return status(call_by_registers(code, words.word, 14));
}

Status call_32_by_xmm(u64 code, Words const& words)
{
    return status(call_32_by_registers(code, words.word, 14));
}

using ByRegisters = Status (*)(u64 code, Words const& words);

#define NEEDS_PORTS()                                                                                                \
    NEEDS(create_port);                                                                                              \
    NEEDS(hypercall_msrs);                                                                                           \
    enable_hypercalls()

#define WITH_PEERS_PORT(type)                                                                                        \
    NEEDS_PEER();                                                                                                    \
    NEEDS(connect_port);                                                                                             \
    CHECK_STATUS(peer_listen(peers_port, type), Status::Success);                                                    \
    PeerPort const peer_guard{peers_port};                                                                           \
    ConnectionGuard const connection_guard                                                                           \
    {                                                                                                                \
        connection                                                                                                   \
    }

void creates_by(ByRegisters call)
{
    auto input = event_port_input(port, sint, 5, 7);
    PortGuard const guard{port};
    for (auto const code : creates) {
        note_position(code);
        CHECK_STATUS(call(code, words_of(input)), Status::Success);
        CHECK_STATUS(call(code, words_of(input)), Status::InvalidPortId);
        CHECK_STATUS(delete_port(port), Status::Success);
    }
    input.flag_count = 2044; // in the last words that either call has
    CHECK_STATUS(call(call::create_port, words_of(input)), Status::InvalidParameter);
    input.flag_count = 7;
    input.proximity = u64{1} << 40;
    CHECK_STATUS(call(call::create_port_vtl, words_of(input)), Status::InvalidProximityDomainInfo);
}

void connects_by(ByRegisters call)
{
    auto input = connect_input(connection, peers_port);
    input.info[0] = message_port;
    for (auto const code : connects) {
        note_position(code);
        CHECK_STATUS(call(code, words_of(input)), Status::Success);
        CHECK_STATUS(call(code, words_of(input)), Status::InvalidConnectionId);
        CHECK_STATUS(disconnect_port(connection), Status::Success);
    }
    input.info[0] = event_port;
    CHECK_STATUS(call(call::connect_port, words_of(input)), Status::InvalidParameter);
    input.info[0] = message_port;
    input.proximity = u64{1} << 40; // the last word
    CHECK_STATUS(call(call::connect_port_vtl, words_of(input)), Status::InvalidProximityDomainInfo);
}

} // namespace

TEST(port_calls, create_by_xmm_registers, "hypercall-interface, XMM fast input")
{
    NEEDS_PORTS();
    NEEDS(xmm_input);
    RUN(creates_by(call_by_xmm));
}

TEST(port_calls, create_by_xmm_registers_from_32bit_code, "hypercall-interface, XMM fast input")
{
    NEEDS_PORTS();
    NEEDS(xmm_input);
    RUN(creates_by(call_32_by_xmm));
}

TEST(port_calls, connect_by_xmm_registers, "hypercall-interface, XMM fast input")
{
    WITH_PEERS_PORT(message_port);
    NEEDS(xmm_input);
    RUN(connects_by(call_by_xmm));
}

TEST(port_calls, connect_by_xmm_registers_from_32bit_code, "hypercall-interface, XMM fast input")
{
    WITH_PEERS_PORT(message_port);
    NEEDS(xmm_input);
    RUN(connects_by(call_32_by_xmm));
}

TEST(port_calls, create_and_delete_from_32bit_code, "2.0a 14.9.1, 14.9.2; hypercall-interface, register conventions")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    auto const input = message_port_input(port, sint);
    for (auto const code : creates) {
        note_position(code);
        CHECK_STATUS(call_32_with(code, input), Status::Success);
        CHECK_STATUS(call_32_with(code, input), Status::InvalidPortId);
        CHECK_STATUS(call_32_with(call::delete_port, PortInput{self_partition, port, 0}), Status::Success);
        CHECK_STATUS(call_32_with(call::delete_port, PortInput{self_partition, port, 0}), Status::InvalidPortId);
        CHECK_STATUS(call_32_with(code, input), Status::Success);
        CHECK_STATUS(status(call_32(call::delete_port | fast, self_partition, port)), Status::Success);
        CHECK_STATUS(status(call_32(call::delete_port | fast, self_partition, port)), Status::InvalidPortId);
    }
}

TEST(port_calls, connect_and_disconnect_from_32bit_code,
     "2.0a 14.9.3, 14.9.6; hypercall-interface, register conventions")
{
    WITH_PEERS_PORT(message_port);
    auto input = connect_input(connection, peers_port);
    input.info[0] = message_port;
    ConnectionInput const connected{self_partition, connection, 0};
    for (auto const code : connects) {
        note_position(code);
        CHECK_STATUS(call_32_with(code, input), Status::Success);
        CHECK_STATUS(call_32_with(code, input), Status::InvalidConnectionId);
        CHECK_STATUS(call_32_with(call::disconnect_port, connected), Status::Success);
        CHECK_STATUS(call_32_with(code, input), Status::Success);
        CHECK_STATUS(status(call_32(call::disconnect_port | fast, self_partition, connection)), Status::Success);
        CHECK_STATUS(status(call_32(call::disconnect_port | fast, self_partition, connection)),
                     Status::InvalidConnectionId);
    }
}

TEST(port_calls, post_from_32bit_code, "2.0a 14.9.7; hypercall-interface, register conventions")
{
    WITH_PEERS_PORT(message_port);
    NEEDS(post_messages);
    CHECK_STATUS(connect_port(connect_input(connection, peers_port)), Status::Success);
    PostMessageInput input{};
    input.connection_id = connection;
    input.message_type = 0x66;
    input.payload_size = 16;
    input.payload[1] = 0x1234'5678'9ABC'DEF0;
    CHECK_STATUS(call_32_with(call::post_message, input), Status::Success);
    PeerRequest taken{};
    CHECK(wait_until([&] {
        taken = peer_take(peers_port);
        return taken.taken == 1;
    }));
    CHECK_EQ(taken.taken_type, 0x66);
    CHECK_EQ(taken.taken_payload[1], input.payload[1]);
    input.payload_size = 241;
    CHECK_STATUS(call_32_with(call::post_message, input), Status::InvalidParameter);
}

TEST(port_calls, signal_from_32bit_code, "2.0a 14.9.8; hypercall-interface, register conventions")
{
    WITH_PEERS_PORT(event_port);
    NEEDS(signal_events);
    CHECK_STATUS(connect_port(connect_input(connection, peers_port)), Status::Success);
    struct Input {
        u32 connection_id;
        u16 flag;
        u16 reserved;
    };
    CHECK_STATUS(call_32_with(call::signal_event, Input{connection, 9, 0}), Status::Success);
    CHECK_STATUS(status(call_32(call::signal_event | fast, connection | u64{10} << 32)), Status::Success);
    CHECK_STATUS(status(call_32(call::signal_event | fast, connection | u64{2048} << 32)), Status::InvalidParameter);
    CHECK_STATUS(status(call_32(call::signal_event | fast, connection | u64{1} << 48)), Status::InvalidParameter);
    for (u32 flag = 9; flag <= 10; ++flag) {
        note_position(flag);
        PeerRequest taken{};
        CHECK(wait_until([&] {
            taken = peer_take(peers_port);
            return taken.taken == 1;
        }));
        CHECK_EQ(taken.taken_flag, flag);
    }
}

TEST(port_calls, properties_from_32bit_code, "2.0a 14.9.4, 14.9.5; hypercall-interface, register conventions")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    CHECK_STATUS(create_port(message_port_input(port, sint, any_vp)), Status::Success);
    constexpr std::size_t output_at = 64;
    auto const* const output = reinterpret_cast<u64 const volatile*>(static_cast<u8*>(input_page()) + output_at);
    SetPropertyInput const set{{self_partition, port, 0, property_preferred_vp, 0}, 0};
    CHECK_STATUS(call_32_with(call::set_port_property, set, output_at), Status::Success);
    CHECK_EQ(*output, 0);
    CHECK_STATUS(call_32_with(call::get_port_property, set.what, output_at), Status::Success);
    CHECK_EQ(*output, 0);
    auto none = set;
    none.value = any_vp;
    CHECK_STATUS(call_32_with(call::set_port_property, none, output_at), Status::Success);
    CHECK_EQ(*output, any_vp);
}

TEST(port_calls, fast_forms, "2.0a 14.9.6, 14.9.8; HvDeletePort (2013)")
{
    WITH_PEERS_PORT(event_port);
    NEEDS(signal_events);
    CHECK_STATUS(connect_port(connect_input(connection, peers_port)), Status::Success);
    CHECK_STATUS(status(hypercall(call::signal_event | fast, connection | u64{1} << 48)), Status::InvalidParameter);
    CHECK_STATUS(status(hypercall(call::signal_event | fast, connection, ~u64{0})), Status::Success); // not looked at
    CHECK_STATUS(status(hypercall(call::disconnect_port | fast, self_partition, connection | u64{0xFF} << 32)),
                 Status::Success); // padding
    CHECK_STATUS(create_port(message_port_input(port, sint)), Status::Success);
    PortGuard const guard{port};
    CHECK_STATUS(status(hypercall(call::delete_port | fast, root_partition, port)), Status::AccessDenied);
    CHECK_STATUS(status(hypercall(call::delete_port | fast, self_partition, port | 0x0100'0000)),
                 Status::InvalidPortId);
    CHECK_STATUS(status(hypercall(call::delete_port | fast, self_partition, port)), Status::Success);
}
