#include "runtime/traps.hpp"

#include "runtime/apic.hpp"
#include "runtime/console.hpp"

namespace guest {

namespace {

struct Frame {
    u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    u64 vector, error_code;
    u64 rip, cs, rflags, rsp, ss;
};

struct Gate {
    u16 offset_low;
    u16 selector;
    u16 type;
    u16 offset_middle;
    u32 offset_high;
    u32 reserved;
};
static_assert(sizeof(Gate) == 16);

struct [[gnu::packed]] TableRegister {
    u16 limit;
    u64 base;
};

alignas(16) Gate idt[256];
InterruptHandler handlers[256];
bool auto_eoi[256];

constexpr u16 interrupt_gate = 0x8E00;
constexpr u64 flag_reserved = 0x2;
constexpr u64 flag_interrupts = 0x200;

extern "C" {
extern char interrupt_entries[];
extern char guarded_return[];
extern char user_program_returned[];
extern Registers32 compat_state;
extern u64 compat_target;
void handle_interrupt(Frame* frame);
void call_in_user_mode(u64 target, u64 user_stack_top, u32* rsp0);
void call_as_32bit();
void call_with_registers(u64* registers, u64* xmm, u64 target);
}

alignas(16) u8 user_stack[4096];

void fill_idt()
{
    for (unsigned vector = 0; vector < 256; ++vector) {
        auto const entry = reinterpret_cast<u64>(interrupt_entries) + 16u * vector;
        idt[vector] = {static_cast<u16>(entry),
                       GUEST_CODE64,
                       interrupt_gate,
                       static_cast<u16>(entry >> 16),
                       static_cast<u32>(entry >> 32),
                       0};
    }
}

void load_gdt(Cpu& self)
{
    auto const tss = reinterpret_cast<u64>(&self.tss);
    self.gdt[0] = 0;
    self.gdt[GUEST_CODE64 / 8] = 0x00AF9B000000FFFF;
    self.gdt[GUEST_DATA / 8] = 0x00CF93000000FFFF;
    self.gdt[GUEST_CODE32 / 8] = 0x00CF9B000000FFFF;
    self.gdt[GUEST_USER_DATA / 8] = 0x00CFF3000000FFFF;
    self.gdt[GUEST_USER_CODE64 / 8] = 0x00AFFB000000FFFF;
    self.gdt[GUEST_TSS / 8] =
        (sizeof(TaskState) - 1) | (tss & 0xFF'FFFF) << 16 | u64{0x89} << 40 | (tss >> 24 & 0xFF) << 56;
    self.gdt[GUEST_TSS / 8 + 1] = tss >> 32;
    self.tss.io_map_base = sizeof(TaskState);

    TableRegister const gdtr{sizeof self.gdt - 1, reinterpret_cast<u64>(self.gdt)};
    asm volatile("lgdt %0" ::"m"(gdtr));
    u16 const task_register = GUEST_TSS;
    asm volatile("ltr %0" ::"r"(task_register));
}

void resume_at_guard(Cpu& self, Frame& frame)
{
    self.fault = {frame.vector, frame.error_code, frame.rip, read_cr2()};
    bool const from_user = frame.cs & 3;
    frame.rax = frame.vector;
    frame.rip = reinterpret_cast<u64>(guarded_return);
    frame.rsp = self.guard;
    frame.cs = GUEST_CODE64;
    frame.ss = GUEST_DATA;
    frame.rflags = from_user ? flag_reserved : flag_reserved | (frame.rflags & flag_interrupts);
}

[[noreturn]] void die(Frame const& frame)
{
    print("\nguest runtime: exception ", frame.vector, " on processor ", this_cpu().index, ", error code ",
          hex(frame.error_code), ", rip ", hex(frame.rip), ", cr2 ", hex(read_cr2()), ", rsp ", hex(frame.rsp), "\n");
    exit_machine(3);
}

void handle_interrupt(Frame* frame)
{
    auto& self = this_cpu();
    auto const vector = static_cast<u8>(frame->vector);
    if (vector < 32 && !handlers[vector]) {
        if (!self.guard) die(*frame);
        resume_at_guard(self, *frame);
        return;
    }
    store(self.interrupts[vector], self.interrupts[vector] + 1);
    if (auto const handler = handlers[vector]) handler();
    if (vector >= 32 && vector != apic::spurious_vector && !auto_eoi[vector]) apic::end_of_interrupt();
}

} // namespace

void set_up_traps()
{
    auto& self = this_cpu();
    if (self.index == 0) fill_idt();
    load_gdt(self);
    TableRegister const idtr{sizeof idt - 1, reinterpret_cast<u64>(idt)};
    asm volatile("lidt %0" ::"m"(idtr));
}

void on_interrupt(u8 vector, InterruptHandler handler)
{
    handlers[vector] = handler;
}

void set_auto_eoi(u8 vector, bool automatic)
{
    auto_eoi[vector] = automatic;
}

int call_from_user_mode(u64 target)
{
    InterruptsOff const off;
    auto const tables = read_cr3();
    auto& self = this_cpu();
    auto const top = reinterpret_cast<u64>(user_stack + sizeof user_stack);
    auto const vector = attempt([&] { call_in_user_mode(target, top, self.tss.rsp0); });
    write_cr3(tables);

    bool const came_back = vector == invalid_opcode && self.fault.rip == reinterpret_cast<u64>(user_program_returned);
    return came_back ? no_exception : vector;
}

void call_from_32bit(u64 target, Registers32& registers)
{
    InterruptsOff const off;
    compat_state = registers;
    compat_target = target;
    call_as_32bit();
    registers = compat_state;
}

void call_with(u64 target, Registers64& registers)
{
    call_with_registers(registers.general, registers.xmm, target);
}

} // namespace guest
