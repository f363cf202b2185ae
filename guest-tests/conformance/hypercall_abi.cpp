// The hypercall ABI: control word, alignment, callers, registers. TLFS online "Hypercall Interface".
#include "runtime/clock.hpp"
#include "runtime/console.hpp"
#include "runtime/memory.hpp"
#include "runtime/test.hpp"
#include "runtime/traps.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 no_such_connection = 0x00BA'D000;
constexpr u64 post_input_size = 256;
constexpr u64 beyond_memory = 0xF'FFFF'FFFF'F000;

Page page;

struct PostInput {
    u32 connection;
    u32 reserved;
    u32 type;
    u32 payload_size;
    u64 payload[30];
};
static_assert(sizeof(PostInput) == post_input_size);

/// A post that is right in every way but for its connection.
void fill_post(void* at)
{
    memset(at, 0, post_input_size);
    PostInput input{};
    input.connection = no_such_connection;
    input.type = 1;
    input.payload_size = 8;
    memcpy(at, &input, sizeof input);
}

/// All calls fail on something else only when the control word is in order.
Status signal_with(u64 control_bits)
{
    return status(hypercall(call::signal_event | fast | control_bits, no_such_connection));
}

} // namespace

TEST(hypercall_abi, unknown_code, "hypercall-interface, common status codes")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    CHECK_STATUS(status(hypercall(call::unknown | fast)), Status::InvalidHypercallCode);
    CHECK_STATUS(status(hypercall(call::unknown, gpa(&page), gpa(&page))), Status::InvalidHypercallCode);
    CHECK_STATUS(status(hypercall(0 | fast)), Status::InvalidHypercallCode);
    CHECK_EQ(reps_completed(hypercall(call::unknown | fast)), 0);
}

TEST(hypercall_abi, from_every_processor, "hypercall-interface, establishing")
{
    NEEDS(hypercall_msrs);
    NEEDS_SECOND_CPU();
    enable_hypercalls();
    for (unsigned i = 1; i < cpu_count(); ++i) {
        Status seen{};
        CHECK(run_on(i, [&] { seen = status(hypercall(call::unknown | fast)); }));
        CHECK_STATUS(seen, Status::InvalidHypercallCode);
    }
}

TEST(hypercall_abi, reserved_bits, "hypercall-interface, hypercall inputs")
{
    NEEDS(signal_events);
    enable_hypercalls();
    CHECK_STATUS(signal_with(0), Status::InvalidConnectionId);
    constexpr u8 reserved[] = {27, 28, 29, 30, 44, 45, 46, 47, 60, 61, 62, 63};
    for (auto const bit : reserved) {
        note_position(bit);
        CHECK_STATUS(signal_with(u64{1} << bit), Status::InvalidHypercallInput);
    }
}

TEST(hypercall_abi, rep_fields_on_a_simple_call, "hypercall-interface, common status codes")
{
    NEEDS(signal_events);
    enable_hypercalls();
    CHECK_STATUS(signal_with(rep_count(1)), Status::InvalidHypercallInput);
    CHECK_STATUS(signal_with(rep_count(0xFFF)), Status::InvalidHypercallInput);
    CHECK_STATUS(signal_with(rep_start(1)), Status::InvalidHypercallInput);
    CHECK_STATUS(signal_with(rep_count(2) | rep_start(1)), Status::InvalidHypercallInput);
}

TEST(hypercall_abi, variable_header_on_a_fixed_call, "hypercall-interface, variable sized headers")
{
    NEEDS(signal_events);
    enable_hypercalls();
    CHECK_STATUS(signal_with(variable_header(1)), Status::InvalidHypercallInput);
    CHECK_STATUS(signal_with(variable_header(0x3FF)), Status::InvalidHypercallInput);
}

TEST(hypercall_abi, fast_where_it_cannot_be, "hypercall-interface, XMM fast input: at most 112 bytes")
{
    NEEDS(post_messages);
    enable_hypercalls();
    Status seen{};
    auto const vector = attempt([&] { seen = status(hypercall(call::post_message | fast, no_such_connection, 8)); });
    if (vector == invalid_opcode) return; // what the TLFS has for XMM input where there is none
    CHECK_EQ(vector, static_cast<u64>(no_exception));
    CHECK_STATUS(seen, Status::InvalidHypercallInput);
}

TEST(hypercall_abi, misaligned_input, "hypercall-interface, alignment")
{
    NEEDS(post_messages);
    enable_hypercalls();
    fill_post(page.bytes);
    CHECK_STATUS(status(hypercall(call::post_message, gpa(&page))), Status::InvalidConnectionId);
    for (u64 offset = 1; offset < 8; ++offset) {
        note_position(offset);
        fill_post(page.bytes + offset);
        CHECK_STATUS(status(hypercall(call::post_message, gpa(&page) + offset)), Status::InvalidAlignment);
    }
}

TEST(hypercall_abi, input_that_crosses_a_page, "hypercall-interface, alignment")
{
    NEEDS(post_messages);
    enable_hypercalls();
    auto const last = page_size - post_input_size;
    fill_post(page.bytes + last);
    CHECK_STATUS(status(hypercall(call::post_message, gpa(&page) + last)), Status::InvalidConnectionId);
    CHECK_STATUS(status(hypercall(call::post_message, gpa(&page) + last + 8)), Status::InvalidAlignment);
    CHECK_STATUS(status(hypercall(call::post_message, gpa(&page) + page_size - 8)), Status::InvalidAlignment);
}

TEST(hypercall_abi, input_beyond_memory, "hypercall-interface, common status codes")
{
    NEEDS(post_messages);
    enable_hypercalls();
    CHECK_STATUS(status(hypercall(call::post_message, beyond_memory)), Status::InvalidAlignment);
}

TEST(hypercall_abi, misaligned_output, "hypercall-interface, alignment")
{
    NEEDS(access_partition_id);
    enable_hypercalls();
    CHECK_STATUS(status(hypercall(call::get_partition_id, 0, gpa(&page) + 4)), Status::InvalidAlignment);
    CHECK_STATUS(status(hypercall(call::get_partition_id, 0, beyond_memory)), Status::InvalidAlignment);
}

TEST(hypercall_abi, unused_pointers_are_ignored, "hypercall-interface, alignment")
{
    NEEDS(post_messages);
    enable_hypercalls();
    fill_post(page.bytes);
    CHECK_STATUS(status(hypercall(call::post_message, gpa(&page), 3)), Status::InvalidConnectionId);
}

TEST(hypercall_abi, user_mode_raises_ud, "hypercall-interface, legal environments")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    CHECK_EQ(call_from_user_mode(hypercall_page()), invalid_opcode);
}

TEST(hypercall_abi, caller_in_32bit_code, "hypercall-interface, register conventions")
{
    NEEDS(signal_events);
    enable_hypercalls();
    Registers32 registers{};
    registers.eax = static_cast<u32>(call::unknown | fast);
    registers.edx = 0;
    call_from_32bit(hypercall_page(), registers);
    CHECK_STATUS(registers.eax & 0xFFFF, Status::InvalidHypercallCode);
    CHECK_EQ(registers.edx, 0);

    registers = {};
    registers.eax = static_cast<u32>(call::signal_event | fast);
    registers.ecx = no_such_connection;
    call_from_32bit(hypercall_page(), registers);
    CHECK_STATUS(registers.eax & 0xFFFF, Status::InvalidConnectionId);
}

TEST(hypercall_abi, control_word_of_32bit_code, "hypercall-interface, register conventions")
{
    NEEDS(signal_events);
    enable_hypercalls();
    Registers32 registers{};
    registers.eax = static_cast<u32>(call::signal_event | fast);
    registers.edx = static_cast<u32>(rep_count(1) >> 32); // only EDX says that something is wrong
    registers.ecx = no_such_connection;
    call_from_32bit(hypercall_page(), registers);
    CHECK_STATUS(registers.eax & 0xFFFF, Status::InvalidHypercallInput);
}

TEST(hypercall_abi, memory_input_of_32bit_code, "hypercall-interface, register conventions")
{
    NEEDS(post_messages);
    enable_hypercalls();
    fill_post(page.bytes);
    Registers32 registers{};
    registers.eax = static_cast<u32>(call::post_message);
    registers.ecx = static_cast<u32>(gpa(&page));
    call_from_32bit(hypercall_page(), registers);
    CHECK_STATUS(registers.eax & 0xFFFF, Status::InvalidConnectionId);

    registers.eax = static_cast<u32>(call::post_message);
    registers.edx = 0;
    registers.ebx = 1; // four gigabytes further, where there is no memory
    call_from_32bit(hypercall_page(), registers);
    CHECK(status(registers.eax) != Status::InvalidConnectionId);
}

TEST(hypercall_abi, output_of_32bit_code, "hypercall-interface, register conventions")
{
    NEEDS(access_partition_id);
    enable_hypercalls();
    page.fill(0);
    CHECK_STATUS(status(hypercall(call::get_partition_id, 0, gpa(&page))), Status::Success);
    auto const* const id = reinterpret_cast<u64 const volatile*>(page.bytes);
    auto const wide = *id;

    page.fill(0);
    Registers32 registers{};
    registers.eax = static_cast<u32>(call::get_partition_id);
    registers.esi = static_cast<u32>(gpa(&page));
    call_from_32bit(hypercall_page(), registers);
    CHECK_STATUS(registers.eax & 0xFFFF, Status::Success);
    CHECK_EQ(*id, wide);
}

TEST(hypercall_abi, keeps_the_registers_of_32bit_code, "hypercall-interface, volatile registers")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    Registers32 registers{};
    registers.eax = static_cast<u32>(call::unknown | fast);
    registers.ebx = 0xB0B0'B0B0;
    registers.ecx = 0xC0C0'C0C0;
    registers.esi = 0x5151'5151;
    registers.edi = 0xD1D1'D1D1;
    registers.ebp = 0xBBBB'BBBB;
    call_from_32bit(hypercall_page(), registers);
    CHECK_STATUS(registers.eax & 0xFFFF, Status::InvalidHypercallCode);
    CHECK_EQ(registers.ebx, 0xB0B0'B0B0);
    CHECK_EQ(registers.ecx, 0xC0C0'C0C0);
    CHECK_EQ(registers.esi, 0x5151'5151);
    CHECK_EQ(registers.edi, 0xD1D1'D1D1);
    CHECK_EQ(registers.ebp, 0xBBBB'BBBB);
}

TEST(hypercall_abi, keeps_all_registers_but_rax, "hypercall-interface, volatile registers")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    Registers64 registers{};
    for (unsigned i = 0; i < Registers64::count; ++i)
        registers.general[i] = u64{0x1111'1111'1111'1111} * (i + 1) ^ 0x8000'0000'0000'0000;
    for (unsigned i = 0; i < 12; ++i)
        registers.xmm[i] = u64{0x0123'4567'89AB'CDEF} * (i + 1);
    registers.general[Registers64::rcx] = call::unknown | fast;
    auto const before = registers;
    call_with(hypercall_page(), registers);

    CHECK_STATUS(status(registers.general[Registers64::rax]), Status::InvalidHypercallCode);
    for (unsigned i = 1; i < Registers64::count; ++i) {
        note_position(i);
        CHECK_EQ(registers.general[i], before.general[i]);
    }
    for (unsigned i = 0; i < 12; ++i) {
        note_position(i);
        CHECK_EQ(registers.xmm[i], before.xmm[i]);
    }
}

TEST(hypercall_abi, result_leaves_nothing_of_rax, "hypercall-interface, outputs")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    Registers64 registers{};
    registers.general[Registers64::rax] = 0xDEAD'BEEF'DEAD'BEEF;
    registers.general[Registers64::rcx] = call::unknown | fast;
    call_with(hypercall_page(), registers);
    CHECK_STATUS(status(registers.general[Registers64::rax]), Status::InvalidHypercallCode);
    CHECK_EQ(reps_completed(registers.general[Registers64::rax]), 0);
}

/// What a hypervisor's page has in it where the kernel answers some calls. The guest may have it in a page of its
/// own, and so lead any call to the kernel.
TEST(hypercall_abi, the_instruction_outside_the_page, "hypercall-interface, establishing")
{
    NEEDS(hypercall_msrs);
    constexpr u32 remote_flush = 1u << 2;
    SKIP_UNLESS((cpuid(leaf_recommendations).eax & remote_flush) != 0, "the kernel answers no calls");
    enable_hypercalls();
    constexpr u32 intel = 0x756E'6547; // "Genu"
    constexpr u8 vmcall[] = {0x0F, 0x01, 0xC1, 0xC3};
    constexpr u8 vmmcall[] = {0x0F, 0x01, 0xD9, 0xC3};
    static Page code;
    memcpy(code.bytes, cpuid(0).ebx == intel ? vmcall : vmmcall, sizeof vmcall);
    auto const call = [](u64 control, u64 input) {
        Registers64 registers{};
        registers.general[Registers64::rcx] = control;
        registers.general[Registers64::rdx] = input;
        call_with(gpa(&code), registers);
        return status(registers.general[Registers64::rax]);
    };
    CHECK_STATUS(call(call::unknown | fast, 0), Status::InvalidHypercallCode);
    fill_post(page.bytes);
    auto const post = status(hypercall(call::post_message, gpa(&page)));
    CHECK_STATUS(call(call::post_message, gpa(&page)), post);
    CHECK_STATUS(call(call::signal_event | fast, no_such_connection), signal_with(0));
}

TEST(partition, id_is_told_to_the_entitled, "2.0a 5.6.7")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    page.fill(0);
    auto const result = status(hypercall(call::get_partition_id, 0, gpa(&page)));
    if (!offered(feature::access_partition_id)) {
        CHECK_STATUS(result, Status::AccessDenied);
        return;
    }
    CHECK_STATUS(result, Status::Success);
    auto const id = *reinterpret_cast<u64 const volatile*>(page.bytes);
    CHECK(id != 0);
    CHECK(id != ~u64{0});
    CHECK_STATUS(status(hypercall(call::get_partition_id, 0, gpa(&page))), Status::Success);
    CHECK_EQ(*reinterpret_cast<u64 const volatile*>(page.bytes), id);
}
