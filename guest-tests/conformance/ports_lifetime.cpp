// Every documented status of HvCreatePort and HvDeletePort that can occur here. TLFS 2.0a 14.9.1, 14.9.2.
#include "conformance/fixtures.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 sint = 2;
constexpr u32 port = 0x00AB'CD10;

/// What both numberings of HvCreatePort must refuse, one field wrong at a time.
void refuses_bad_inputs(u64 code)
{
    PortGuard const guard{port};
    auto const refused = [&](auto change, Status expected) {
        auto input = message_port_input(port, sint);
        change(input);
        CHECK_STATUS(call_with(code, input), expected);
    };
    using Input = CreatePortInput&;
    RUN(refused([](Input in) { in.port_partition = no_such_partition; }, Status::InvalidPartitionId));
    RUN(refused([](Input in) { in.port_partition = root_partition; }, Status::AccessDenied));
    RUN(refused([](Input in) { in.connection_partition = no_such_partition; }, Status::InvalidPartitionId));
    RUN(refused([](Input in) { in.connection_partition = self_partition; }, Status::InvalidPartitionId));
    RUN(refused([](Input in) { in.port_id |= 0x0100'0000; }, Status::InvalidPortId));
    RUN(refused([](Input in) { in.port_id |= 0x8000'0000; }, Status::InvalidPortId));
    RUN(refused([](Input in) { in.target_vp = 0xFFF; }, Status::InvalidVpIndex));
    RUN(refused([](Input in) { in.target_vp = machine_cpu_count(); }, Status::InvalidVpIndex));
    RUN(refused([](Input in) { in.target_sint = 0; }, Status::InvalidParameter));
    RUN(refused([](Input in) { in.target_sint = 16; }, Status::InvalidParameter));
    RUN(refused([](Input in) { in.target_sint = ~0u; }, Status::InvalidParameter));
    RUN(refused([](Input in) { in.port_type = 0; }, Status::InvalidParameter));
    RUN(refused([](Input in) { in.port_type = 99; }, Status::InvalidParameter));
    RUN(refused([](Input in) { in.base_flag = 1; }, Status::InvalidParameter));
    RUN(refused([](Input in) { in.reserved1 = 1; }, Status::InvalidParameter));
    CHECK_STATUS(delete_port(port), Status::InvalidPortId); // none of them left a port behind
}

/// The input in RDX, R8 and XMM0 to XMM1.
Status create_by_registers(CreatePortInput const& input)
{
    constexpr unsigned qwords = 6; // 2.0a's input
    u64 words[sizeof input / 8];
    memcpy(words, &input, sizeof input);
    Registers64 registers{};
    registers.general[Registers64::rcx] = call::create_port | fast;
    registers.general[Registers64::rdx] = words[0];
    registers.general[Registers64::r8] = words[1];
    for (unsigned i = 2; i < qwords; ++i)
        registers.xmm[i - 2] = words[i];
    call_with(hypercall_page(), registers);
    return status(registers.general[Registers64::rax]);
}

} // namespace

#define NEEDS_PORTS()                                                                                                \
    NEEDS(create_port);                                                                                              \
    NEEDS(hypercall_msrs);                                                                                           \
    enable_hypercalls()

TEST(ports, create_refuses_bad_inputs, "2.0a 14.9.1")
{
    NEEDS_PORTS();
    RUN(refuses_bad_inputs(call::create_port));
}

TEST(ports, create_refuses_bad_inputs_by_the_later_numbering, "HvCallCreatePort 0x0095")
{
    NEEDS_PORTS();
    RUN(refuses_bad_inputs(call::create_port_vtl));
    auto input = message_port_input(port, sint);
    input.reserved0 = 1;
    CHECK_STATUS(call_with(call::create_port_vtl, input), Status::InvalidParameter);
}

TEST(ports, create_refuses_own_id_as_peer, "2.0a 14.9.1")
{
    NEEDS_PORTS();
    NEEDS(access_partition_id);
    auto input = message_port_input(port, sint);
    input.connection_partition = own_partition_id();
    CHECK_STATUS(create_port(input), Status::InvalidPartitionId);
}

TEST(ports, create_refuses_an_id_in_use, "2.0a 14.9.1")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    CHECK_STATUS(create_port(message_port_input(port, sint)), Status::Success);
    CHECK_STATUS(create_port(message_port_input(port, sint)), Status::InvalidPortId);
    CHECK_STATUS(create_port(event_port_input(port, sint, 0, 1)), Status::InvalidPortId);
    CHECK_STATUS(call_with(call::create_port_vtl, message_port_input(port, sint)), Status::InvalidPortId);
    CHECK_STATUS(delete_port(port), Status::Success);
    CHECK_STATUS(create_port(message_port_input(port, sint)), Status::Success);
}

TEST(ports, create_takes_every_sint_and_processor, "2.0a 14.9.1")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    for (u32 s = 1; s < sint_count; ++s) {
        note_position(s);
        CHECK_STATUS(create_port(message_port_input(port, s)), Status::Success);
        CHECK_STATUS(delete_port(port), Status::Success);
    }
    for (u32 vp = 0; vp < cpu_count(); ++vp) {
        note_position(vp);
        CHECK_STATUS(create_port(message_port_input(port, sint, vp)), Status::Success);
        CHECK_STATUS(delete_port(port), Status::Success);
    }
    CHECK_STATUS(create_port(message_port_input(port, sint, any_vp)), Status::Success);
}

TEST(ports, smallest_and_largest_id, "2.0a 14.8.6")
{
    NEEDS_PORTS();
    constexpr u32 ids[] = {0, 0x00FF'FFFF};
    for (auto const id : ids) {
        note_position(id);
        PortGuard const guard{id};
        CHECK_STATUS(create_port(message_port_input(id, sint)), Status::Success);
        CHECK_STATUS(delete_port(id), Status::Success);
    }
}

TEST(ports, create_by_xmm_registers, "hypercall-interface, XMM fast input")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    Status seen{};
    auto const vector = attempt([&] { seen = create_by_registers(message_port_input(port, sint)); });
    if (!offered(feature::xmm_input)) {
        if (vector == invalid_opcode) return; // as the TLFS has it
        CHECK_STATUS(seen, Status::InvalidHypercallInput);
        return;
    }
    CHECK_EQ(vector, static_cast<u64>(no_exception));
    CHECK_STATUS(seen, Status::Success);
    CHECK_STATUS(create_by_registers(message_port_input(port, sint)), Status::InvalidPortId);
    CHECK_STATUS(delete_port(port), Status::Success);
    CHECK_STATUS(create_by_registers(message_port_input(port, 0)), Status::InvalidParameter);
    CHECK_STATUS(create_by_registers(message_port_input(port, sint, 0xFFF)), Status::InvalidVpIndex);
    auto input = message_port_input(port, sint);
    input.reserved1 = 1;
    CHECK_STATUS(create_by_registers(input), Status::InvalidParameter);
}

TEST(ports, event_flag_range, "2.0a 14.9.1; base + count up to 2048")
{
    NEEDS_PORTS();
    constexpr struct {
        u16 base, count;
        Status expected;
    } ranges[] = {
        {0, 1, Status::Success},
        {0, event_flag_count, Status::Success},
        {event_flag_count - 1, 1, Status::Success},
        {1000, 1048, Status::Success},
        {0, 0, Status::InvalidParameter},
        {5, 0, Status::InvalidParameter},
        {event_flag_count, 0, Status::InvalidParameter},
        {event_flag_count, 1, Status::InvalidParameter},
        {event_flag_count - 1, 2, Status::InvalidParameter},
        {0, event_flag_count + 1, Status::InvalidParameter},
        {1, event_flag_count, Status::InvalidParameter},
        {0xFFFF, 1, Status::InvalidParameter},
        {1, 0xFFFF, Status::InvalidParameter},
        {0xFFFF, 0xFFFF, Status::InvalidParameter},
    };
    PortGuard const guard{port};
    for (auto const& range : ranges) {
        note_position(u64{range.base} << 16 | range.count);
        CHECK_STATUS(create_port(event_port_input(port, sint, range.base, range.count)), range.expected);
        (void)delete_port(port);
    }
}

TEST(ports, event_port_reserved_field, "2.0a 14.9.1")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    auto input = event_port_input(port, sint, 0, 1);
    input.reserved1 = 0x8000'0000;
    CHECK_STATUS(create_port(input), Status::InvalidParameter);
}

TEST(ports, delete_twice, "2.0a 14.9.2")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    CHECK_STATUS(create_port(message_port_input(port, sint)), Status::Success);
    CHECK_STATUS(delete_port(port), Status::Success);
    CHECK_STATUS(delete_port(port), Status::InvalidPortId);
}

TEST(ports, delete_event_port, "2.0a 14.9.2")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    CHECK_STATUS(create_port(event_port_input(port, sint, 8, 8)), Status::Success);
    CHECK_STATUS(delete_port(port), Status::Success);
    CHECK_STATUS(delete_port(port), Status::InvalidPortId);
}

TEST(ports, delete_fast, "HvDeletePort (2013), native interface")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    CHECK_STATUS(create_port(message_port_input(port, sint)), Status::Success);
    CHECK_STATUS(status(hypercall(call::delete_port | fast, self_partition, port)), Status::Success);
    CHECK_STATUS(status(hypercall(call::delete_port | fast, self_partition, port)), Status::InvalidPortId);
}

TEST(ports, delete_unknown_ids, "2.0a 14.9.2, 14.8.6")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    CHECK_STATUS(create_port(message_port_input(port, sint)), Status::Success);
    CHECK_STATUS(delete_port(port + 1), Status::InvalidPortId);
    CHECK_STATUS(delete_port(port | 0x0100'0000), Status::InvalidPortId);
    CHECK_STATUS(delete_port(~0u), Status::InvalidPortId);
    CHECK_STATUS(delete_port(port), Status::Success);
}

TEST(ports, delete_of_other_partitions, "2.0a 14.9.2")
{
    NEEDS_PORTS();
    PortGuard const guard{port};
    CHECK_STATUS(create_port(message_port_input(port, sint)), Status::Success);
    CHECK_STATUS(delete_port(port, no_such_partition), Status::InvalidPartitionId);
    CHECK_STATUS(delete_port(port, 0), Status::InvalidPartitionId);
    CHECK_STATUS(delete_port(port, root_partition), Status::AccessDenied);
    CHECK_STATUS(delete_port(port), Status::Success);
}

TEST(ports, own_id_and_self_are_the_same, "2.0a 14.9.1, 14.9.2")
{
    NEEDS_PORTS();
    NEEDS(access_partition_id);
    PortGuard const guard{port};
    auto input = message_port_input(port, sint);
    input.port_partition = own_partition_id();
    CHECK_STATUS(create_port(input), Status::Success);
    CHECK_STATUS(delete_port(port), Status::Success);
    CHECK_STATUS(create_port(message_port_input(port, sint)), Status::Success);
    CHECK_STATUS(delete_port(port, own_partition_id()), Status::Success);
}

TEST(ports, root_port_cannot_be_deleted, "2.0a 14.9.2")
{
    NEEDS_PEER();
    CHECK_STATUS(peer_listen(port, message_port), Status::Success);
    PeerPort const peer_guard{port};
    CHECK_STATUS(delete_port(port, root_partition), Status::AccessDenied);
    CHECK_STATUS(delete_port(port), Status::InvalidPortId);
    CHECK_STATUS(peer_close(port), Status::Success);
}

TEST(ports, pool_is_bounded_and_refilled, "2.0a 14.9.1, 14.2.1")
{
    NEEDS_PORTS();
    constexpr u32 first = 0x0001'0000;
    constexpr u32 more_than_any_pool = 20'000;
    u32 created = 0;
    auto last = Status::Success;
    while (created < more_than_any_pool && last == Status::Success) {
        last = create_port(message_port_input(first + created, sint));
        if (last == Status::Success) ++created;
    }
    u32 deleted = 0;
    while (deleted < created && delete_port(first + deleted) == Status::Success)
        ++deleted;

    CHECK(last == Status::InsufficientMemory || last == Status::NoResources);
    CHECK(created >= 16);
    CHECK_EQ(deleted, created);
    PortGuard const guard{port};
    CHECK_STATUS(create_port(message_port_input(port, sint)), Status::Success);
}

TEST(privileges, calls_without_them_are_denied, "HV_PARTITION_PRIVILEGE_MASK")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    bool any = false;
    auto const denied = [&](Feature const& privilege, auto call) {
        if (offered(privilege)) return;
        any = true;
        CHECK_STATUS(call(), Status::AccessDenied);
    };
    RUN(denied(feature::create_port, [] { return create_port(message_port_input(port, sint)); }));
    RUN(denied(feature::create_port, [] { return delete_port(port); }));
    RUN(denied(feature::connect_port, [] { return connect_port(connect_input(port, port)); }));
    RUN(denied(feature::connect_port, [] { return disconnect_port(port); }));
    RUN(denied(feature::post_messages, [] { return post_message(port, 1, 0); }));
    RUN(denied(feature::signal_events, [] { return signal_event(port, 0); }));
    SKIP_UNLESS(any, "every privilege is granted");
}
