// Registers of processors by hypercall. TLFS 6.0b 7.10.1, 7.10.2; 2.0a 10.2, 10.4.3, 10.4.4.
#include "hyperv/vp_registers.hpp"

#include "hyperv/vp_calls.hpp"
#include "runtime/clock.hpp"
#include "runtime/cpu.hpp"
#include "runtime/test.hpp"
#include "runtime/traps.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

/// Keeps a processor in a loop with a number in R15, until it is told to end.
struct Spinner {
    u64 volatile stop = 0;
    u64 volatile r15 = 0x1234'5678'9ABC'DEF0;
    u64 volatile running = 0;
};

void spin(void* argument)
{
    auto& spinner = *static_cast<Spinner*>(argument);
    u64 r15 = spinner.r15;
    asm volatile("movq %[value], %%r15; movq $1, %[running]; 1: pause; cmpq $0, %[stop]; je 1b; movq %%r15, %[value]"
                 : [value] "+r"(r15), [running] "=m"(spinner.running)
                 : [stop] "m"(spinner.stop)
                 : "r15", "memory", "cc");
    spinner.r15 = r15;
}

/// Runs one test while another processor spins; ends the spinning.
class Spinning {
  public:
    explicit Spinning(Spinner& spinner) : spinner_{spinner}
    {
        start_on(1, spin, &spinner_);
        started_ = wait_until([this] { return spinner_.running != 0; });
    }
    ~Spinning() { stop(); }
    Spinning(Spinning const&) = delete;
    Spinning& operator=(Spinning const&) = delete;

    [[nodiscard]] bool started() const { return started_; }
    bool stop()
    {
        spinner_.stop = 1;
        return wait_for_task(1);
    }

  private:
    Spinner& spinner_;
    bool started_ = false;
};

u32 own_index()
{
    return vp_index_of(0);
}

} // namespace

#define NEEDS_REGISTERS()                                                                                            \
    NEEDS(hypercall_msrs);                                                                                           \
    NEEDS(vp_registers);                                                                                             \
    NEEDS(vp_index);                                                                                                 \
    enable_hypercalls()

TEST(vp_registers, own_ones, "6.0b 7.10.2")
{
    NEEDS_REGISTERS();
    RegisterValue value{};
    CHECK_STATUS(get_register(vp::self_index, reg::cr3, value), Status::Success);
    CHECK_EQ(value.low, read_cr3());
    CHECK_EQ(value.high, 0);
    CHECK_STATUS(get_register(own_index(), reg::vp_index, value), Status::Success);
    CHECK_EQ(value.low, own_index());
    constexpr u32 efer_msr = 0xC000'0080;
    CHECK_STATUS(get_register(vp::self_index, reg::efer, value), Status::Success);
    CHECK_EQ(value.low, rdmsr(efer_msr));
    CHECK_STATUS(get_register(vp::self_index, reg::apic_base, value), Status::Success);
    CHECK_EQ(value.low, rdmsr(0x1B));
    CHECK_STATUS(get_register(vp::self_index, reg::pat, value), Status::Success);
    CHECK_EQ(value.low, rdmsr(0x277));
    CHECK_STATUS(get_register(vp::self_index, reg::rip, value), Status::Success);
    CHECK_EQ(value.low & ~(page_size - 1), hypercall_page()); // behind the instruction that makes the call
}

TEST(vp_registers, general_ones_during_the_call, "6.0b 7.10.2; hypercall-interface, register conventions")
{
    NEEDS_REGISTERS();
    ListCall call{RegisterHeader{}};
    for (u32 name = reg::rax; name <= reg::r15; ++name)
        call.add(name);
    Registers64 registers{};
    for (unsigned i = 0; i < Registers64::count; ++i)
        registers.general[i] = u64{0x0101'0101'0101'0101} * (i + 1);
    registers.general[Registers64::rcx] = call::get_vp_registers | rep_count(16);
    registers.general[Registers64::rdx] = gpa(&ListCall::page());
    registers.general[Registers64::r8] = gpa(&ListCall::output());
    auto const before = registers;
    call_with(hypercall_page(), registers);
    CHECK_STATUS(status(registers.general[Registers64::rax]), Status::Success);
    CHECK_EQ(reps_completed(registers.general[Registers64::rax]), 16);

    constexpr u8 order[] = {Registers64::rcx, Registers64::rdx, Registers64::rbx, Registers64::rbp, Registers64::rsi,
                            Registers64::rdi, Registers64::r8,  Registers64::r12, Registers64::r15};
    constexpr u8 place[] = {1, 2, 3, 5, 6, 7, 8, 12, 15};
    for (unsigned i = 0; i < sizeof order; ++i) {
        note_position(place[i]);
        CHECK_EQ(ListCall::out<RegisterValue>(place[i]).low, before.general[order[i]]);
        CHECK_EQ(registers.general[order[i]], before.general[order[i]]); // and nothing has changed them
    }
}

TEST(vp_registers, own_ones_can_be_set, "6.0b 7.10.1; hypercall-interface, volatile registers")
{
    NEEDS_REGISTERS();
    Registers64 registers{};
    u64 const words[] = {
        vp::self_partition, vp::self_index, reg::rbx, 0, 0x1122'3344'5566'7788, 0, reg::r12, 0, 0x99AA, 0};
    registers.general[Registers64::rcx] = call::set_vp_registers | fast | rep_count(2);
    registers.general[Registers64::rdx] = words[0];
    registers.general[Registers64::r8] = words[1];
    for (unsigned i = 2; i < sizeof words / 8; ++i)
        registers.xmm[i - 2] = words[i];
    if (!offered(feature::xmm_input)) SKIP("XMM fast input is not offered");
    call_with(hypercall_page(), registers);
    CHECK_STATUS(status(registers.general[Registers64::rax]), Status::Success);
    CHECK_EQ(reps_completed(registers.general[Registers64::rax]), 2);
    CHECK_EQ(registers.general[Registers64::rbx], 0x1122'3344'5566'7788);
    CHECK_EQ(registers.general[Registers64::r12], 0x99AA);
}

TEST(vp_registers, of_another_processor_that_runs, "6.0b 7.10.2")
{
    NEEDS_REGISTERS();
    NEEDS_SECOND_CPU();
    auto const index = vp_index_of(1);
    Spinner spinner;
    Spinning spinning{spinner};
    CHECK(spinning.started());
    for (unsigned i = 0; i < 20; ++i) {
        note_position(i);
        RegisterValue value{};
        CHECK_STATUS(get_register(index, reg::r15, value), Status::Success);
        CHECK_EQ(value.low, 0x1234'5678'9ABC'DEF0);
        CHECK_STATUS(get_register(index, reg::cr3, value), Status::Success);
        CHECK_EQ(value.low, read_cr3());
        CHECK_STATUS(get_register(index, reg::vp_index, value), Status::Success);
        CHECK_EQ(value.low, index);
    }
    CHECK_STATUS(set_register(index, reg::r15, {0x55AA, 0}), Status::Success);
    CHECK(spinning.stop());
    CHECK_EQ(spinner.r15, 0x55AA); // the loop went on, with another number
}

TEST(vp_registers, of_another_processor_that_waits, "6.0b 7.10.2; 2.0a 10.1.3")
{
    NEEDS_REGISTERS();
    NEEDS_SECOND_CPU();
    auto const index = vp_index_of(1); // it halts now
    RegisterValue value{};
    for (unsigned i = 0; i < 5; ++i) {
        CHECK_STATUS(get_register(index, reg::rsp, value), Status::Success);
        CHECK_EQ(value.low & ~u64{GUEST_CPU_BLOCK - 1}, gpa(&cpu(1)));
    }
    CHECK_EQ(vp_index_of(1), index); // and goes on
}

TEST(vp_registers, two_processors_of_each_other, "6.0b 7.10.2")
{
    NEEDS_REGISTERS();
    NEEDS_SECOND_CPU();
    auto const index = vp_index_of(1);
    auto const own = own_index();
    constexpr unsigned rounds = 100;
    struct Other {
        u32 target;
        unsigned right;
    } other{own, 0};
    start_on(
        1,
        [](void* argument) {
            auto& asked = *static_cast<Other*>(argument);
            for (unsigned i = 0; i < rounds; ++i) {
                RegisterQuery query{asked.target, reg::vp_index};
                if (query.make() == Status::Success && query.value().low == asked.target) ++asked.right;
            }
        },
        &other);
    unsigned right = 0;
    for (unsigned i = 0; i < rounds; ++i) {
        RegisterQuery query{index, reg::vp_index};
        if (query.make() == Status::Success && query.value().low == index) ++right;
    }
    CHECK(wait_for_task(1));
    CHECK_EQ(right, rounds);
    CHECK_EQ(other.right, rounds);
}

TEST(vp_registers, segments_and_tables, "2.0a 10.3.6; online, HV_X64_SEGMENT_REGISTER")
{
    NEEDS_REGISTERS();
    RegisterValue value{};
    CHECK_STATUS(get_register(vp::self_index, reg::cs, value), Status::Success);
    auto const selector = value.high >> 32 & 0xFFFF;
    auto const attributes = value.high >> 48;
    u64 own_cs = 0;
    asm("movq %%cs, %0" : "=r"(own_cs));
    CHECK_EQ(selector, own_cs & 0xFFFF);
    CHECK_EQ(attributes & 0x20FA, 0x209A); // present, code, readable, DPL 0, long
    struct [[gnu::packed]] {
        u16 limit;
        u64 base;
    } gdtr{};
    asm volatile("sgdt %0" : "=m"(gdtr));
    CHECK_STATUS(get_register(vp::self_index, reg::gdtr, value), Status::Success);
    CHECK_EQ(value.low >> 48, gdtr.limit);
    CHECK_EQ(value.high, gdtr.base);
    CHECK_STATUS(get_register(vp::self_index, reg::fs, value), Status::Success);
    auto changed = value;
    changed.low = 0x12'3450; // the base
    CHECK_STATUS(set_register(vp::self_index, reg::fs, changed), Status::Success);
    constexpr u32 fs_base_msr = 0xC000'0100;
    CHECK_EQ(rdmsr(fs_base_msr), 0x12'3450);
    CHECK_STATUS(set_register(vp::self_index, reg::fs, value), Status::Success);
}

TEST(vp_registers, xmm_and_debug_ones, "2.0a 10.3.5; online, HV_REGISTER_NAME")
{
    NEEDS_REGISTERS();
    RegisterValue const number{0x0123'4567'89AB'CDEF, 0xFEDC'BA98'7654'3210};
    RegisterValue value{};
    asm volatile("movups %0, %%xmm7" ::"m"(number));
    CHECK_STATUS(get_register(vp::self_index, reg::xmm0 + 7, value), Status::Success);
    CHECK_EQ(value.low, number.low);
    CHECK_EQ(value.high, number.high);
    CHECK_STATUS(set_register(vp::self_index, reg::xmm0 + 7, {number.high, number.low}), Status::Success);
    asm volatile("movups %%xmm7, %0" : "=m"(value));
    CHECK_EQ(value.low, number.high);
    CHECK_EQ(value.high, number.low);

    CHECK_STATUS(set_register(vp::self_index, reg::dr0, {0x5'6780, 0}), Status::Success);
    u64 dr0 = 0;
    asm volatile("movq %%dr0, %0" : "=r"(dr0));
    CHECK_EQ(dr0, 0x5'6780);
    CHECK_STATUS(set_register(vp::self_index, reg::dr0, {0, 0}), Status::Success);
}

TEST(vp_registers, synthetic_ones, "2.0a 10.2.2; online, HV_REGISTER_NAME")
{
    NEEDS_REGISTERS();
    NEEDS(synic);
    RegisterValue value{};
    CHECK_STATUS(set_register(vp::self_index, reg::sint0 + 5, {0x85, 0}), Status::Success);
    CHECK_EQ(rdmsr(msr::sint0 + 5), 0x85);
    wrmsr(msr::sint0 + 5, sint_masked);
    CHECK_STATUS(get_register(vp::self_index, reg::sint0 + 5, value), Status::Success);
    CHECK_EQ(value.low, sint_masked);
    CHECK_STATUS(get_register(vp::self_index, reg::guest_os_id, value), Status::Success);
    CHECK_EQ(value.low, our_os_id);
    CHECK_STATUS(set_register(vp::self_index, reg::sint0 + 5, {3, 0}), Status::InvalidRegisterValue);
    auto const index = set_register(vp::self_index, reg::vp_index, {0, 0});
    CHECK(index == Status::InvalidParameter || index == Status::AccessDenied);
}

TEST(vp_registers, bad_values_change_nothing, "6.0b 7.10.1")
{
    NEEDS_REGISTERS();
    struct {
        u32 name;
        RegisterValue value;
    } const bad[] = {
        {reg::cr0, {read_cr3() | u64{1} << 40, 0}},       // reserved bits
        {reg::cr4, {u64{1} << 63, 0}},                    // reserved bits
        {reg::efer, {u64{1} << 40, 0}},                   // reserved bits
        {reg::cr8, {16, 0}},                              // four bits
        {reg::rflags, {0, 0}},                            // bit 1 is always one
        {reg::rip, {0x8000'0000'0000'0000, 0}},           // not canonical
        {reg::cr3, {read_cr3(), 1}},                      // 64 bits
        {reg::lstar, {0x1234'0000'0000'0000, 0}},         // not canonical
        {reg::idtr, {0x0FFF'0000'0000'0000, 1ull << 62}}, // not canonical
        {reg::pat, {0x0202'0202'0202'0202, 0}},           // reserved memory types
        {reg::dr7, {u64{1} << 40, 0}},                    // reserved bits
    };
    for (auto const& one : bad) {
        note_position(one.name);
        RegisterValue before{};
        RegisterValue after{};
        CHECK_STATUS(get_register(vp::self_index, one.name, before), Status::Success);
        auto const result = set_register(vp::self_index, one.name, one.value);
        CHECK(result == Status::InvalidRegisterValue || result == Status::InvalidParameter);
        CHECK_STATUS(get_register(vp::self_index, one.name, after), Status::Success);
        if (one.name != reg::rip) CHECK_EQ(after.low, before.low);
    }
}

TEST(vp_registers, statuses, "6.0b 7.10.1, 7.10.2")
{
    NEEDS_REGISTERS();
    RegisterValue value{};
    CHECK_STATUS(get_register(0xFFF, reg::rip, value), Status::InvalidVpIndex);
    CHECK_STATUS(get_register(cpu_count() + 100, reg::rip, value), Status::InvalidVpIndex);
    CHECK_STATUS(set_register(0xFFFF'FFFF, reg::rip, value), Status::InvalidVpIndex);
    CHECK_STATUS(get_register(vp::self_index, 0x00FF'FFFF, value), Status::InvalidParameter);
    CHECK_STATUS(set_register(vp::self_index, 0x00FF'FFFF, value), Status::InvalidParameter);
    CHECK_STATUS(set_register(vp::self_index, reg::tsc, {0, 0}), Status::InvalidParameter);

    RegisterHeader stranger;
    stranger.partition = 0x00DE'AD00;
    ListCall call{stranger};
    call.add(u32{reg::rip});
    auto const result = status(call.reps(call::get_vp_registers));
    CHECK(result == Status::InvalidPartitionId || result == Status::AccessDenied);

    ListCall list{RegisterHeader{}};
    list.add(u32{reg::cr3});
    list.add(u32{0x00FF'FFFF});
    list.add(u32{reg::cr3});
    auto const partly = list.reps(call::get_vp_registers);
    CHECK_STATUS(status(partly), Status::InvalidParameter);
    CHECK_EQ(reps_completed(partly), 1);
    CHECK_EQ(ListCall::out<RegisterValue>(0).low, read_cr3());
}

TEST(privileges, registers_without_access, "HV_PARTITION_PRIVILEGE_MASK")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    SKIP_UNLESS(!offered(feature::vp_registers), "AccessVpRegisters is granted");
    RegisterValue value{};
    CHECK_STATUS(get_register(vp::self_index, reg::rip, value), Status::AccessDenied);
    CHECK_STATUS(set_register(vp::self_index, reg::sint0, {0x40, 0}), Status::AccessDenied);
}
