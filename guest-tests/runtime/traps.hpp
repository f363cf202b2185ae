/// Interrupts and exceptions, and how to survive one.
#pragma once

#include "runtime/cpu.hpp"

namespace guest {

inline constexpr int no_exception = -1;
inline constexpr int non_maskable = 2;
inline constexpr int invalid_opcode = 6;
inline constexpr int general_protection = 13;
inline constexpr int page_fault = 14;

/// What every interrupt does after it is counted. It runs with interrupts off, before the EOI.
using InterruptHandler = void (*)();

/// Loads this processor's descriptor tables. Exceptions are fatal, with a line, unless a guard is set.
void set_up_traps();

/// Sets or (nullptr) removes a vector's handler, on all processors.
void on_interrupt(u8 vector, InterruptHandler handler);

/// Says that the hypervisor ends this vector's interrupts itself (AutoEOI): the handler then writes no EOI.
void set_auto_eoi(u8 vector, bool automatic);

extern "C" int guarded_call(Task function, void* argument, u64* guard);

/// Runs a callable; the vector of the exception that ended it, or no_exception. this_cpu().fault says more.
template <typename F>
int attempt(F&& function)
{
    return guarded_call([](void* f) { (*static_cast<F*>(f))(); }, &function, &this_cpu().guard);
}

struct MsrRead {
    bool ok; ///< false: the access raised an exception
    u64 value;
};

[[nodiscard]] inline MsrRead try_rdmsr(u32 msr)
{
    u64 volatile value{};
    bool const ok = attempt([&] { value = rdmsr(msr); }) == no_exception;
    return {ok, value};
}

/// False when the access raised an exception.
[[nodiscard]] inline bool try_wrmsr(u32 msr, u64 value)
{
    return attempt([&] { wrmsr(msr, value); }) == no_exception;
}

/// Calls an unknown hypercall through `target` from CPL 3. Returns the vector of the exception that followed;
/// no_exception when the call returned to the user program.
[[nodiscard]] int call_from_user_mode(u64 target);

/// The registers that a 32-bit hypercall uses, and what came back in them.
struct Registers32 {
    u32 eax, ebx, ecx, edx, esi, edi, ebp;
};

/// Calls `target` (below 4 GiB) from a 32-bit code segment, with interrupts off. Boot processor only.
void call_from_32bit(u64 target, Registers32& registers);

/// All general registers but RSP, and XMM0 to XMM5.
struct Registers64 {
    enum : unsigned { rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, count };
    u64 general[count];
    u64 xmm[12];
};

/// Calls `target` with these registers and stores what came back in them.
void call_with(u64 target, Registers64& registers);

} // namespace guest
