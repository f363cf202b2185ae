// Interrupts that this guest, as the parent, asserts in the peer, its child. TLFS 2.0a 13.3, 13.5; online,
// HvCallAssertVirtualInterrupt.
#include "conformance/fixtures.hpp"
#include "hyperv/call_forms.hpp"
#include "hyperv/vp_calls.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u8 vector = 0x61; ///< of nothing else in the peer
constexpr u8 other_vector = 0x62;
constexpr u32 none = 0xFFFF'FFFF;

enum Type : u32 { fixed, lowest_priority, smi, remote_read, nmi, init, sipi, external, local0, local1 };
constexpr u32 level = 1;

struct AssertInput {
    u64 partition;
    u32 type;
    u32 flags;
    u64 destination;
    u32 vector;
    u8 vtl; ///< of the later numbering, as what follows
    u8 reserved0;
    u16 reserved1;
};
static_assert(sizeof(AssertInput) == 32);

AssertInput to_child(u32 type, u32 v, u64 destination = 0, u32 flags = 0)
{
    return {peer_partition(), type, flags, destination, v, 0, 0, 0};
}

/// By both numberings, of which the second call is only made when the first has been refused.
Status assert_interrupt(AssertInput const& input)
{
    auto const later = call_with(call::assert_virtual_interrupt, input);
    if (later == Status::Success) return later;
    auto const first = call_with(call::assert_virtual_interrupt_old, input);
    return first == later ? later : Status::Success; // which no refusal is
}

Status clear(u64 partition = peer_partition())
{
    return status(hypercall(call::clear_virtual_interrupt | fast, partition));
}

/// How many of a vector the child has taken.
u64 taken(u8 of)
{
    PeerRequest request{};
    request.operation = PeerOperation::count_interrupts;
    request.port_id = of;
    return ask_peer(request).taken;
}

/// Has the child take no interrupts for a while; finish_asking_peer() ends it.
void deafen_child()
{
    PeerRequest request{};
    request.operation = PeerOperation::count_interrupts;
    request.count = 100;
    begin_asking_peer(request);
    let_time_pass(20'000); // until it has begun
}

/// Whether one more arrives within the time that tests wait.
bool arrives(u8 of, u64 before)
{
    return wait_until([&] { return taken(of) == before + 1; });
}

} // namespace

TEST(virtual_interrupts, a_fixed_vector_reaches_the_child, "2.0a 13.5.1; HvCallAssertVirtualInterrupt 0x0094")
{
    NEEDS_CHILD();
    auto before = taken(vector);
    auto const input = to_child(fixed, vector);
    CHECK_STATUS(call_with(call::assert_virtual_interrupt, input), Status::Success);
    CHECK(arrives(vector, before));
    CHECK_STATUS(call_with(call::assert_virtual_interrupt_old, input), Status::Success);
    CHECK(arrives(vector, ++before));
    CHECK_STATUS(assert_interrupt(to_child(lowest_priority, vector)), Status::Success);
    CHECK(arrives(vector, ++before));
    CHECK_STATUS(assert_interrupt(to_child(fixed, none)), Status::Success); // takes nothing back
    CHECK_EQ(taken(vector), before + 1);
}

TEST(virtual_interrupts, from_registers_and_32bit_code, "hypercall-interface, register conventions")
{
    NEEDS_CHILD();
    NEEDS(xmm_input);
    u64 words[4];
    auto const input = to_child(fixed, vector);
    memcpy(words, &input, sizeof words);
    auto before = taken(vector);
    constexpr u64 codes[] = {call::assert_virtual_interrupt, call::assert_virtual_interrupt_old};
    for (auto const code : codes) {
        note_position(code);
        CHECK_STATUS(status(call_by_registers(code, words, 4)), Status::Success);
        CHECK(arrives(vector, before++));
        CHECK_STATUS(status(call_32_by_registers(code, words, 4)), Status::Success);
        CHECK(arrives(vector, before++));
        CHECK_STATUS(call_32_with(code, input), Status::Success);
        CHECK(arrives(vector, before++));
    }
    CHECK_STATUS(call_with(call::clear_virtual_interrupt, peer_partition()), Status::NotAcknowledged);
    CHECK_STATUS(call_32_with(call::clear_virtual_interrupt, peer_partition()), Status::NotAcknowledged);
    CHECK_STATUS(status(call_32(call::clear_virtual_interrupt | fast, peer_partition())), Status::NotAcknowledged);
}

TEST(virtual_interrupts, an_nmi_reaches_the_child, "2.0a 13.3.2")
{
    NEEDS_CHILD();
    auto const before = taken(non_maskable);
    CHECK_STATUS(assert_interrupt(to_child(nmi, 0)), Status::Success);
    CHECK(arrives(non_maskable, before));
}

TEST(virtual_interrupts, an_external_one_is_acknowledged_and_cleared, "2.0a 13.5.1, 13.5.2")
{
    NEEDS_CHILD();
    auto before = taken(vector);
    CHECK_STATUS(clear(), Status::NotAcknowledged);
    for (u32 round = 0; round < 3; ++round) {
        note_position(round);
        CHECK_STATUS(assert_interrupt(to_child(external, vector)), Status::Success);
        CHECK(arrives(vector, before++));
        CHECK_STATUS(assert_interrupt(to_child(external, vector)), Status::Acknowledged);
        CHECK_STATUS(assert_interrupt(to_child(external, none)), Status::Acknowledged);
        CHECK_STATUS(clear(), Status::Success);
        CHECK_STATUS(clear(), Status::NotAcknowledged);
    }
    CHECK_EQ(taken(vector), before);
}

// What the second call says tells whether the first interrupt was taken in between, so that it does not matter how
// well the child is deafened, if only it is so in one of the rounds.
TEST(virtual_interrupts, an_external_one_can_be_superseded_and_withdrawn, "2.0a 13.3.3, 13.5.1")
{
    NEEDS_CHILD();
    (void)clear();
    auto superseded = 0u;
    auto withdrawn = 0u;
    for (u32 round = 0; round < 20 && (!superseded || !withdrawn); ++round) {
        note_position(round);
        auto const before = taken(vector);
        auto const others = taken(other_vector);
        auto const second = superseded ? none : other_vector;
        deafen_child();
        auto const first_status = assert_interrupt(to_child(external, vector));
        auto const second_status = assert_interrupt(to_child(external, second));
        (void)finish_asking_peer();
        CHECK_STATUS(first_status, Status::Success);
        if (second_status != Status::Success) { // it was not deaf
            CHECK_STATUS(second_status, Status::Acknowledged);
            CHECK_STATUS(clear(), Status::Success);
            continue;
        }
        if (second == none) {
            ++withdrawn;
            let_time_pass(10'000);
            CHECK_STATUS(clear(), Status::NotAcknowledged);
        } else {
            ++superseded;
            CHECK(arrives(other_vector, others));
            CHECK_STATUS(clear(), Status::Success);
        }
        CHECK_EQ(taken(vector), before);
    }
    CHECK(superseded && withdrawn);
}

TEST(virtual_interrupts, statuses, "2.0a 13.5.1, 13.5.2")
{
    NEEDS_CHILD();
    auto const before = taken(vector);
    unsigned tried = 0;
    auto const refused = [&](AssertInput const& input, Status expected) {
        note_position(++tried);
        CHECK_STATUS(assert_interrupt(input), expected);
    };
    RUN(refused(to_child(fixed, 0x100), Status::InvalidParameter));
    RUN(refused(to_child(fixed, none - 1), Status::InvalidParameter));
    RUN(refused(to_child(nmi, 2), Status::InvalidParameter));
    RUN(refused(to_child(nmi, 0, 0, level), Status::InvalidParameter));
    RUN(refused(to_child(local1 + 1, 0), Status::InvalidParameter));
    RUN(refused(to_child(fixed, vector, 0, 4), Status::InvalidParameter));
    RUN(refused(to_child(fixed, vector, 0, 2), Status::InvalidParameter)); // no logical address
    RUN(refused(to_child(fixed, vector, 0xFE), Status::InvalidVpIndex));
    RUN(refused(to_child(external, vector, 1), Status::InvalidVpIndex));
    RUN(refused(to_child(fixed, vector, 0, level), Status::OperationDenied));
    constexpr u32 impossible[] = {smi, remote_read, local0, local1};
    for (auto const type : impossible)
        RUN(refused(to_child(type, 0), Status::OperationDenied));
    auto input = to_child(fixed, vector);
    constexpr u64 not_children[] = {self_partition, root_partition};
    for (auto const partition : not_children) {
        input.partition = partition;
        RUN(refused(input, Status::AccessDenied));
        CHECK_STATUS(clear(partition), Status::AccessDenied);
    }
    input.partition = no_such_partition;
    RUN(refused(input, Status::InvalidPartitionId));
    CHECK_STATUS(clear(no_such_partition), Status::InvalidPartitionId);
    input = to_child(fixed, vector);
    input.vtl = 1;
    CHECK_STATUS(call_with(call::assert_virtual_interrupt, input), Status::InvalidVtlState);
    input = to_child(fixed, vector);
    input.reserved1 = 1;
    CHECK_STATUS(call_with(call::assert_virtual_interrupt, input), Status::InvalidParameter);
    CHECK_EQ(taken(vector), before);
}

TEST(privileges, virtual_interrupts_without_create_partitions, "HV_PARTITION_PRIVILEGE_MASK")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    SKIP_UNLESS(!offered(feature::create_partitions), "CreatePartitions is granted");
    constexpr u64 strangers[] = {self_partition, root_partition, no_such_partition};
    for (auto const partition : strangers) {
        auto input = to_child(fixed, vector);
        input.partition = partition;
        CHECK_STATUS(assert_interrupt(input), Status::AccessDenied);
        CHECK_STATUS(clear(partition), Status::AccessDenied);
    }
}
