// Starting a processor by hypercall. TLFS 6.0b 7.10.3; online, HV_INITIAL_VP_CONTEXT.
#include "hyperv/call_forms.hpp"
#include "hyperv/vp_calls.hpp"
#include "runtime/apic.hpp"
#include "runtime/clock.hpp"
#include "runtime/cpu.hpp"
#include "runtime/memory.hpp"
#include "runtime/test.hpp"

extern "C" void cpu_main();

using namespace guest;
using namespace guest::hv;

namespace {

struct Segment {
    u64 base;
    u32 limit;
    u16 selector;
    u16 attributes;
};

struct Table {
    u16 padding[3];
    u16 limit;
    u64 base;
};

struct StartInput {
    u64 partition;
    u32 vp_index;
    u8 target_vtl;
    u8 padding[3];
    u64 rip, rsp, rflags;
    Segment cs, ds, es, fs, gs, ss, tr, ldtr;
    Table idtr, gdtr;
    u64 efer, cr0, cr3, cr4, pat;
};
static_assert(sizeof(StartInput) == 240);

template <typename Register>
Table own_table(Register const& read)
{
    struct [[gnu::packed]] {
        u16 limit;
        u64 base;
    } stored{};
    read(stored);
    return {{}, stored.limit, stored.base};
}

/// What this runtime's second processor needs to come back as after its own start-up code: long mode, our page
/// tables, the top of its own stack.
StartInput context_of_second()
{
    constexpr u16 code64 = 0xA09B; // present, code, accessed, long, granular
    constexpr u16 data = 0xC093;
    constexpr u16 busy_tss = 0x008B;
    constexpr u32 everything = 0xFFFF'FFFF;
    constexpr u64 write_back_everywhere = 0x0007'0406'0007'0406;
    StartInput input{};
    input.partition = vp::self_partition;
    input.vp_index = vp_index_of(1);
    input.rip = reinterpret_cast<u64>(&cpu_main);
    input.rsp = gpa(&cpu(1)) + GUEST_CPU_BLOCK - 8; // as if called
    input.rflags = 2;
    input.cs = {0, everything, GUEST_CODE64, code64};
    input.ds = input.es = input.fs = input.gs = input.ss = {0, everything, GUEST_DATA, data};
    input.tr = {0, 0x67, 0, busy_tss};
    input.gdtr = own_table([](auto& stored) { asm volatile("sgdt %0" : "=m"(stored)); });
    input.idtr = own_table([](auto& stored) { asm volatile("sidt %0" : "=m"(stored)); });
    constexpr u32 efer_msr = 0xC000'0080;
    input.efer = rdmsr(efer_msr);
    asm volatile("movq %%cr0, %0" : "=r"(input.cr0));
    asm volatile("movq %%cr4, %0" : "=r"(input.cr4));
    input.cr3 = read_cr3();
    input.pat = write_back_everywhere;
    return input;
}

Status start(StartInput const& input)
{
    return call_with(call::start_virtual_processor, input);
}

/// Puts the second processor where a machine's start has it: waiting to be started.
void stop_second()
{
    store(cpu(1).online, false);
    apic::send_init(cpu(1).apic_id);
    let_time_pass(1000);
}

} // namespace

#define NEEDS_START()                                                                                                \
    NEEDS(hypercall_msrs);                                                                                           \
    NEEDS(start_vp);                                                                                                 \
    NEEDS(vp_index);                                                                                                 \
    NEEDS_SECOND_CPU();                                                                                              \
    enable_hypercalls()

TEST(start_vp, begins_where_it_is_told, "6.0b 7.10.3")
{
    NEEDS_START();
    auto const input = context_of_second();
    for (unsigned i = 0; i < 3; ++i) {
        note_position(i);
        stop_second();
        CHECK_STATUS(start(input), Status::Success);
        CHECK(wait_until([] { return load(cpu(1).online); }));
        u64 cr3 = 0;
        CHECK(run_on(1, [&] { cr3 = read_cr3(); }));
        CHECK_EQ(cr3, input.cr3);
        CHECK_STATUS(start(input), Status::InvalidVpState); // it runs
    }
}

TEST(start_vp, from_32bit_code, "6.0b 7.10.3; hypercall-interface, register conventions")
{
    NEEDS_START();
    auto const input = context_of_second();
    stop_second();
    CHECK_STATUS(call_32_with(call::start_virtual_processor, input), Status::Success);
    CHECK(wait_until([] { return load(cpu(1).online); }));
}

TEST(start_vp, bad_registers_start_nothing, "6.0b 7.10.3")
{
    NEEDS_START();
    auto const good = context_of_second();
    stop_second();
    unsigned tried = 0;
    auto const refused = [&](auto change) {
        note_position(++tried);
        auto input = good;
        change(input);
        CHECK_STATUS(start(input), Status::InvalidRegisterValue);
    };
    using Input = StartInput&;
    RUN(refused([](Input in) { in.rip = 0x8000'0000'0000'0000; })); // not canonical
    RUN(refused([](Input in) { in.rflags = 0; }));                  // bit 1 is always one
    RUN(refused([](Input in) { in.cr0 |= u64{1} << 40; }));         // reserved
    RUN(refused([](Input in) { in.cr4 |= u64{1} << 63; }));         // reserved
    RUN(refused([](Input in) { in.efer &= ~u64{0x400}; }));         // paging and LME without LMA
    RUN(refused([](Input in) { in.cr4 &= ~u64{0x20}; }));           // long mode without PAE
    RUN(refused([](Input in) { in.pat = 0x0202'0202'0202'0202; })); // reserved memory types
    RUN(refused([](Input in) { in.cs.attributes |= 0x100; }));      // reserved
    let_time_pass(2000);
    CHECK(!load(cpu(1).online));
    CHECK_STATUS(start(good), Status::Success);
    CHECK(wait_until([] { return load(cpu(1).online); }));
}

TEST(start_vp, statuses, "6.0b 7.10.3")
{
    NEEDS_START();
    auto input = context_of_second();
    CHECK_STATUS(start(input), Status::InvalidVpState); // it runs
    input.vp_index = vp_index_of(0);
    CHECK_STATUS(start(input), Status::InvalidVpState); // so does the caller
    input.vp_index = 0xFFF;
    CHECK_STATUS(start(input), Status::InvalidVpIndex);
    input = context_of_second();
    input.target_vtl = 1;
    CHECK_STATUS(start(input), Status::InvalidVtlState);
    input = context_of_second();
    input.partition = 0x00DE'AD00;
    auto const stranger = start(input);
    CHECK(stranger == Status::InvalidPartitionId || stranger == Status::AccessDenied);
    CHECK_STATUS(status(hypercall(call::start_virtual_processor | fast, vp::self_partition, 0)),
                 Status::InvalidHypercallInput); // 240 bytes
}

TEST(privileges, start_vp_without_it, "HV_PARTITION_PRIVILEGE_MASK")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    SKIP_UNLESS(!offered(feature::start_vp), "StartVirtualProcessor is granted");
    StartInput input{};
    input.partition = vp::self_partition;
    CHECK_STATUS(start(input), Status::AccessDenied);
}
