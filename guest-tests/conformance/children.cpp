// What a parent may do in its child, which here is the peer: it runs this same program, on its boot processor alone.
// TLFS 2.0a 5.2.3, 14.9; 6.0b 7.10.
#include "conformance/fixtures.hpp"
#include "hyperv/vp_registers.hpp"
#include "runtime/clock.hpp"
#include "runtime/cpu.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 sint = 11; ///< of nothing else, here and there
constexpr u32 port = 0x00AB'C111;
constexpr u32 connection = 0x00CD'0111;
constexpr u32 no_such_register = 0x00FF'FFFF;
constexpr u64 creates[] = {call::create_port, call::create_port_vtl};
constexpr u64 connects[] = {call::connect_port, call::connect_port_vtl};

RegisterHeader of_child(u32 vp_index = 0)
{
    return {peer_partition(), vp_index, 0};
}

/// Reads one register of a processor of the child.
Status read(u32 vp_index, u32 name, u64& value)
{
    ListCall call{of_child(vp_index)};
    call.add(name);
    auto const result = call.reps(call::get_vp_registers);
    value = ListCall::out<RegisterValue>(0).low;
    return status(result);
}

Status write(u32 vp_index, u32 name, u64 value)
{
    struct {
        u32 name, padding[3];
        RegisterValue value;
    } const element{name, {}, {value, 0}};
    ListCall call{of_child(vp_index)};
    call.add(element);
    return status(call.reps(call::set_vp_registers));
}

/// Deletes the port in the child at the end of a test.
class ChildsPort {
  public:
    ChildsPort() = default;
    ~ChildsPort() { (void)delete_port(port, peer_partition()); }
    ChildsPort(ChildsPort const&) = delete;
    ChildsPort& operator=(ChildsPort const&) = delete;
};

/// Disconnects the child's connection.
class ChildsConnection {
  public:
    ChildsConnection() = default;
    ~ChildsConnection() { (void)disconnect_port(connection, peer_partition()); }
    ChildsConnection(ChildsConnection const&) = delete;
    ChildsConnection& operator=(ChildsConnection const&) = delete;
};

} // namespace

TEST(children, properties, "2.0a 5.2.2, 5.6.5")
{
    NEEDS_CHILD();
    struct Input {
        u64 partition;
        u32 code;
        u32 padding;
    };
    auto const property = [](u32 code, u64& value) {
        ListCall const call{Input{peer_partition(), code, 0}};
        auto const result = hypercall(call::get_partition_property, gpa(&ListCall::page()), gpa(&ListCall::output()));
        value = ListCall::out<u64>(0);
        return status(result);
    };
    u64 value = 0;
    CHECK_STATUS(property(0x0007'0000, value), Status::Success); // GuestOsId
    CHECK_EQ(value, our_os_id);
    CHECK_STATUS(property(0x0001'0000, value), Status::Success); // PrivilegeFlags
    constexpr u64 ports = u64{3} << (32 + 6);
    CHECK_EQ(value & ports, ports); // without which it could not be the peer
    CHECK_STATUS(property(0x00FF'0000, value), Status::UnknownProperty);
}

TEST(children, registers, "6.0b 7.10.1, 7.10.2")
{
    NEEDS_CHILD();
    NEEDS(vp_registers);
    u64 value = 0;
    CHECK_STATUS(read(0, reg::vp_index, value), Status::Success);
    CHECK_EQ(value, 0);
    CHECK_STATUS(read(0, reg::guest_os_id, value), Status::Success);
    CHECK_EQ(value, our_os_id);
    CHECK_STATUS(read(0, reg::cr3, value), Status::Success);
    CHECK(value != 0);

    u64 before = 0;
    constexpr u32 names[] = {reg::lstar, reg::sint0 + sint}; // one of the machine's, one of the hypervisor's
    constexpr u64 values[] = {0x1234'5678, sint_masked | 0x77};
    for (u32 i = 0; i < 2; ++i) {
        note_position(names[i]);
        CHECK_STATUS(read(0, names[i], before), Status::Success);
        CHECK_STATUS(write(0, names[i], values[i]), Status::Success);
        auto const read_back = read(0, names[i], value);
        CHECK_STATUS(write(0, names[i], before), Status::Success);
        CHECK_STATUS(read_back, Status::Success);
        CHECK_EQ(value, values[i]);
    }
    CHECK(rdmsr(msr::sint0 + sint) != values[1]); // it was not ours

    CHECK_STATUS(read(0xFFF, reg::cr3, value), Status::InvalidVpIndex);
    CHECK_STATUS(read(0, no_such_register, value), Status::InvalidParameter);
    CHECK_STATUS(write(0, reg::sint0 + sint, 3), Status::InvalidRegisterValue); // a vector below 16
    // And it still answers.
    CHECK_EQ(peer_take(port).taken, 0);
}

TEST(children, vp_index_from_apic_id, "6.0b 7.10.4")
{
    NEEDS_CHILD();
    NEEDS(vp_index);
    struct Header {
        u64 partition;
        u64 vtl_and_padding;
    };
    auto const ask = [](u32 apic_id) {
        ListCall call{Header{peer_partition(), 0}};
        call.add(u64{apic_id});
        return status(call.reps(call::get_vp_index_from_apic_id));
    };
    CHECK_STATUS(ask(0), Status::Success);
    CHECK_EQ(ListCall::out<u32>(0), 0);
    auto const unknown = ask(0xABCD);
    CHECK(unknown == Status::InvalidParameter || unknown == Status::InvalidVpIndex);
}

TEST(children, ports, "2.0a 14.9.1, 14.9.2, 14.9.4")
{
    NEEDS_CHILD();
    NEEDS(connect_port);
    NEEDS(post_messages);
    for (auto const code : creates) {
        note_position(code);
        ChildsPort const guard;
        auto input = message_port_input(port, sint);
        input.port_partition = peer_partition();
        input.connection_partition = self_partition;
        CHECK_STATUS(call_with(code, input), Status::Success);
        CHECK_STATUS(call_with(code, input), Status::InvalidPortId);
        CHECK_STATUS(delete_port(port), Status::InvalidPortId); // not one of ours

        ConnectionGuard const connection_guard{connection};
        CHECK_STATUS(connect_port(connect_input(connection, port)), Status::Success);
        CHECK_STATUS(post_message(connection, 0x99, 1), Status::Success);
        CHECK_EQ(get_property(port, property_post_count, peer_partition()).value, 1);
        CHECK_STATUS(delete_port(port, peer_partition()), Status::Success);
        CHECK_STATUS(post_message(connection, 0x99, 2), Status::InvalidPortId);
        CHECK_STATUS(delete_port(port, peer_partition()), Status::InvalidPortId);
    }
}

TEST(children, connections, "2.0a 14.9.3, 14.9.6")
{
    NEEDS_CHILD();
    NEEDS(connect_port);
    for (auto const code : connects) {
        note_position(code);
        PortGuard const port_guard{port};
        CHECK_STATUS(create_port(message_port_input(port, sint)), Status::Success);
        ChildsConnection const guard;
        auto input = connect_input(connection, port);
        input.connection_partition = peer_partition();
        input.port_partition = self_partition;
        input.info[0] = message_port;
        CHECK_STATUS(call_with(code, input), Status::Success);
        CHECK_STATUS(call_with(code, input), Status::InvalidConnectionId);
        CHECK_STATUS(disconnect_port(connection), Status::InvalidConnectionId); // not one of ours
        CHECK_STATUS(peer_post(connection, 5).status, Status::Success);         // it has got what it did not ask for
        CHECK(wait_for_message(sint));
        release_slot(sint);
        CHECK_STATUS(disconnect_port(connection, peer_partition()), Status::Success);
        CHECK_STATUS(peer_post(connection, 5).status, Status::InvalidConnectionId);
    }
}

TEST(children, are_not_the_root_nor_nobody, "2.0a 5.6.5; 6.0b 7.10.1, 7.10.2, 7.10.3, 7.10.4")
{
    NEEDS_CHILD();
    NEEDS(vp_index);
    NEEDS(vp_registers);
    NEEDS(start_vp);
    struct {
        u64 partition;
        Status expected;
    } const others[] = {{root_partition, Status::AccessDenied}, {no_such_partition, Status::InvalidPartitionId}};
    for (auto const& other : others) {
        note_position(other.partition);
        struct {
            u64 partition;
            u64 rest[29]; // all zeros are a property, a register and an APIC ID
        } const input{other.partition, {}};
        CHECK_STATUS(call_with(call::get_vp_registers | rep_count(1), input), other.expected);
        CHECK_STATUS(call_with(call::set_vp_registers | rep_count(1), input), other.expected);
        CHECK_STATUS(call_with(call::get_vp_index_from_apic_id | rep_count(1), input), other.expected);
        CHECK_STATUS(call_with(call::start_virtual_processor, input), other.expected);
        CHECK_STATUS(call_with(call::get_partition_property, input), other.expected);
    }
}

// The code that the child's second processor is to run, and the number by which one knows that it does.
extern "C" void conformance_stand_still();
asm(R"(
    .text
    .globl conformance_stand_still
conformance_stand_still:
    movq $0x57A4DED, %r15
1:  hlt
    jmp 1b
)");

// It waits for its start-up since the child's beginning: a second run of this test would find it running.
TEST(children, start_of_a_processor, "6.0b 7.10.3; online, HV_INITIAL_VP_CONTEXT")
{
    NEEDS_CHILD();
    NEEDS(vp_registers);
    NEEDS(start_vp);
    u64 r15 = 0;
    SKIP_UNLESS(read(1, reg::r15, r15) != Status::InvalidVpIndex, "the child has one processor");
    struct Input {
        u64 partition;
        u32 vp_index, vtl_and_padding;
        u64 rip, rsp, rflags;
        struct {
            u64 base;
            u32 limit;
            u16 selector, attributes;
        } segments[8]; // CS, DS, ES, FS, GS, SS, TR, LDTR
        u64 tables[2][2];
        u64 efer, cr0, cr3, cr4, pat;
    } input{};
    static_assert(sizeof(Input) == 240);
    constexpr u16 code = 0xA09B; // present, code, accessed, long, granular
    constexpr u16 data = 0xC093;
    constexpr u16 busy_tss = 0x008B;
    input.partition = peer_partition();
    input.vp_index = 1;
    input.rip = reinterpret_cast<u64>(&conformance_stand_still);
    input.rflags = 2;
    for (auto& segment : input.segments)
        segment = {0, ~0u, GUEST_DATA, data};
    input.segments[0] = {0, ~0u, GUEST_CODE64, code};
    input.segments[6] = {0, 0x67, 0, busy_tss};
    input.segments[7] = {};
    struct {
        u32 name;
        u64& value;
    } const as_the_first[] = {{reg::efer, input.efer},
                              {reg::cr0, input.cr0},
                              {reg::cr3, input.cr3},
                              {reg::cr4, input.cr4},
                              {reg::pat, input.pat}};
    for (auto const& one : as_the_first)
        CHECK_STATUS(read(0, one.name, one.value), Status::Success);

    auto bad = input;
    bad.vp_index = 0;
    CHECK_STATUS(call_with(call::start_virtual_processor, bad), Status::InvalidVpState); // it runs
    bad.vp_index = 0xFFF;
    CHECK_STATUS(call_with(call::start_virtual_processor, bad), Status::InvalidVpIndex);
    CHECK_STATUS(call_with(call::start_virtual_processor, input), Status::Success);
    CHECK(wait_until([&] { return read(1, reg::r15, r15) == Status::Success && r15 == 0x57A'4DED; }));
    CHECK_STATUS(call_with(call::start_virtual_processor, input), Status::InvalidVpState);
}
