/// The processors of this machine: what each one owns, how to start them and how to run a function on one.
#pragma once

#include "runtime/layout.h"
#include "runtime/machine.hpp"

namespace guest {

/// The 64-bit task-state segment; its 64-bit fields are not aligned, hence the pairs.
struct TaskState {
    u32 reserved0;
    u32 rsp0[2]; ///< the stack for an exception in user mode
    u32 rest[22];
    u16 reserved1;
    u16 io_map_base;
};
static_assert(sizeof(TaskState) == 104);

/// The exception that ended the last guarded call on a processor.
struct Fault {
    u64 vector;
    u64 error_code;
    u64 rip;
    u64 address; ///< CR2
};

using Task = void (*)(void*);

/// Lies at the start of the processor's block; its stack grows down from the block's end.
struct Cpu {
    u32 index;
    u32 apic_id;
    bool online;
    u64 guard; ///< see guarded_call; zero when an exception would be fatal
    Fault fault;
    Task task;
    void* argument;
    u32 interrupts[256]; ///< how many of each vector this processor has handled
    TaskState tss;
    u64 gdt[8];
};

/// The processor that this code runs on.
Cpu& this_cpu();

/// Processors 0 to cpu_count() - 1 are online; 0 is the boot processor.
unsigned cpu_count();
Cpu& cpu(unsigned index);

enum class StartOrder : u8 { first_to_last, last_to_first };

/// Starts the processors that the ACPI tables name, or as many as the command line says with cpus=N.
/// Returns how many are online; those that do not answer within a second are left out.
unsigned start_cpus(StartOrder order = StartOrder::first_to_last);

/// Those, and one that has been reserved.
unsigned machine_cpu_count();

/// Takes the last processor out of cpu_count(), for a job of its own; its index, or 0 when there is only one. It goes
/// on taking tasks.
[[nodiscard]] unsigned reserve_last_cpu();

/// Runs the task on another processor, interrupts on. False when it has not returned within the budget.
[[nodiscard]] bool run_on(unsigned index, Task task, void* argument, u32 milliseconds = 5000);

/// The two halves of run_on.
void start_on(unsigned index, Task task, void* argument);
[[nodiscard]] bool wait_for_task(unsigned index, u32 milliseconds = 5000);

/// Runs a callable on another processor.
template <typename F>
[[nodiscard]] bool run_on(unsigned index, F&& function)
{
    return run_on(
        index, [](void* f) { (*static_cast<F*>(f))(); }, &function);
}

inline u32 interrupt_count(u8 vector, unsigned index = 0)
{
    return load(cpu(index).interrupts[vector]);
}

} // namespace guest
