// Rep calls, by HvGetVpIndexFromApicId as the one that every guest may make. TLFS online "Hypercall Interface", 6.0b
// 7.10.4.
#include "hyperv/call_forms.hpp"
#include "hyperv/vp_calls.hpp"
#include "runtime/cpu.hpp"
#include "runtime/test.hpp"
#include "runtime/traps.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

struct Header {
    u64 partition = vp::self_partition;
    u8 target_vtl = 0;
    u8 padding[7]{};
};
static_assert(sizeof(Header) == 16);

struct ApicId {
    u32 id;
    u32 padding = 0;
};

struct VpIndex {
    u32 index;
    u32 padding;
};

constexpr u32 no_such_apic_id = 0xABCD;
constexpr u64 beyond_memory = 0xF'FFFF'FFFF'F000;

VpIndex answer(unsigned element)
{
    return ListCall::out<VpIndex>(element);
}

u32 own_id()
{
    return cpu(0).apic_id;
}

} // namespace

#define NEEDS_REP_CALL()                                                                                             \
    NEEDS(hypercall_msrs);                                                                                           \
    NEEDS(vp_index);                                                                                                 \
    enable_hypercalls()

TEST(rep_calls, answers_every_element, "6.0b 7.10.4; hypercall-interface, hypercall outputs")
{
    NEEDS_REP_CALL();
    ListCall call{Header{}};
    for (unsigned i = cpu_count(); i-- > 0;)
        call.add(ApicId{cpu(i).apic_id, ~0u});
    auto const result = call.reps(call::get_vp_index_from_apic_id);
    CHECK_STATUS(status(result), Status::Success);
    CHECK_EQ(reps_completed(result), cpu_count());
    for (unsigned i = 0; i < cpu_count(); ++i) {
        note_position(i);
        CHECK_EQ(answer(cpu_count() - 1 - i).index, vp_index_of(i));
    }
    CHECK_EQ(answer(cpu_count()).index, 0xEEEE'EEEE); // no more than was asked for
}

TEST(rep_calls, begin_where_they_are_told, "hypercall-interface, hypercall classes")
{
    NEEDS_REP_CALL();
    ListCall call{Header{}};
    call.add(ApicId{no_such_apic_id});
    call.add(ApicId{own_id()});
    call.add(ApicId{own_id()});
    auto const result = call.reps(call::get_vp_index_from_apic_id, 1);
    CHECK_STATUS(status(result), Status::Success);
    CHECK_EQ(reps_completed(result), 3); // in all, not since the start
    CHECK_EQ(answer(0).index, 0xEEEE'EEEE);
    CHECK_EQ(answer(2).index, vp_index_of(0));
}

TEST(rep_calls, stop_at_the_element_that_fails, "hypercall-interface, hypercall classes")
{
    NEEDS_REP_CALL();
    ListCall call{Header{}};
    call.add(ApicId{own_id()});
    call.add(ApicId{own_id()});
    call.add(ApicId{no_such_apic_id});
    call.add(ApicId{own_id()});
    auto const result = call.reps(call::get_vp_index_from_apic_id);
    CHECK(status(result) != Status::Success);
    CHECK_EQ(reps_completed(result), 2);
    CHECK_EQ(answer(1).index, vp_index_of(0));
    CHECK_EQ(answer(3).index, 0xEEEE'EEEE);
}

TEST(rep_calls, need_a_count_above_the_start, "hypercall-interface, common status codes")
{
    NEEDS_REP_CALL();
    ListCall call{Header{}};
    call.add(ApicId{own_id()});
    constexpr u64 wrong[] = {0, rep_start(1), rep_count(1) | rep_start(1), rep_count(2) | rep_start(3),
                             rep_count(1) | rep_start(0xFFF)};
    for (auto const fields : wrong) {
        note_position(fields >> 32);
        auto const result =
            hypercall(call::get_vp_index_from_apic_id | fields, gpa(&ListCall::page()), gpa(&ListCall::output()));
        CHECK_STATUS(status(result), Status::InvalidHypercallInput);
    }
    CHECK_STATUS(status(hypercall(call::get_vp_index_from_apic_id | rep_count(1) | variable_header(1),
                                  gpa(&ListCall::page()), gpa(&ListCall::output()))),
                 Status::InvalidHypercallInput);
}

TEST(rep_calls, lists_stay_within_a_page, "hypercall-interface, alignment")
{
    NEEDS_REP_CALL();
    ListCall const call{Header{}};
    auto const in = gpa(&ListCall::page());
    auto const out = gpa(&ListCall::output());
    auto const with = [](u64 count, u64 input, u64 output) {
        return status(hypercall(call::get_vp_index_from_apic_id | rep_count(count), input, output));
    };
    CHECK_STATUS(with(511, in, out), Status::InvalidAlignment); // 16 + 511 * 8 bytes
    CHECK_STATUS(with(0xFFF, in, out), Status::InvalidAlignment);
    CHECK_STATUS(with(1, in + 4, out), Status::InvalidAlignment);
    CHECK_STATUS(with(1, in, out + 4), Status::InvalidAlignment);
    CHECK_STATUS(with(2, in, out + page_size - 8), Status::InvalidAlignment);
    CHECK_STATUS(with(1, in, beyond_memory), Status::InvalidAlignment);
}

TEST(rep_calls, with_output_are_not_fast, "hypercall-interface, XMM fast output is not offered")
{
    NEEDS_REP_CALL();
    constexpr u32 xmm_output = 1u << 15;
    SKIP_UNLESS((cpuid(leaf_features).edx & xmm_output) == 0, "XMM output is offered");
    u64 const words[] = {vp::self_partition, 0, own_id()};
    u64 result = 0;
    auto const vector =
        attempt([&] { result = call_by_registers(call::get_vp_index_from_apic_id | rep_count(1), words, 3); });
    if (vector == invalid_opcode) return;
    CHECK_EQ(vector, static_cast<u64>(no_exception));
    CHECK_STATUS(status(result), Status::InvalidHypercallInput);
}

TEST(rep_calls, from_32bit_code, "hypercall-interface, register conventions")
{
    NEEDS_REP_CALL();
    ListCall call{Header{}};
    call.add(ApicId{own_id()});
    call.add(ApicId{no_such_apic_id});
    auto const control = call::get_vp_index_from_apic_id | rep_count(2);
    Registers32 registers{};
    registers.eax = static_cast<u32>(control);
    registers.edx = static_cast<u32>(control >> 32);
    registers.ecx = static_cast<u32>(gpa(&ListCall::page()));
    registers.esi = static_cast<u32>(gpa(&ListCall::output()));
    call_from_32bit(hypercall_page(), registers);
    CHECK(status(registers.eax) != Status::Success);
    CHECK_EQ(registers.edx, 1); // reps completed
    CHECK_EQ(answer(0).index, vp_index_of(0));
}

TEST(vp_index_from_apic_id, statuses, "6.0b 7.10.4")
{
    NEEDS_REP_CALL();
    auto const with = [](Header const& header, u32 id) {
        ListCall call{header};
        call.add(ApicId{id});
        return status(call.reps(call::get_vp_index_from_apic_id));
    };
    CHECK_STATUS(with({}, own_id()), Status::Success);
    CHECK_STATUS(with({vp::self_partition, 1}, own_id()), Status::InvalidVtlState);
    auto const unknown = with({}, no_such_apic_id);
    CHECK(unknown == Status::InvalidParameter || unknown == Status::InvalidVpIndex);
    auto const stranger = with({0x00DE'AD00}, own_id());
    CHECK(stranger == Status::InvalidPartitionId || stranger == Status::AccessDenied);
}
