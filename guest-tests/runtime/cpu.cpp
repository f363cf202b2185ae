#include "runtime/cpu.hpp"

#include "runtime/apic.hpp"
#include "runtime/clock.hpp"
#include "runtime/console.hpp"
#include "runtime/memory.hpp"
#include "runtime/start_info.hpp"
#include "runtime/traps.hpp"

extern "C" {
alignas(GUEST_CPU_BLOCK) guest::u8 cpu_blocks[GUEST_MAX_CPUS][GUEST_CPU_BLOCK];
extern guest::u64 boot_stack;
extern char ap_trampoline[];
extern char ap_trampoline_end[];
void cpu_main();
}

/// What each program defines: the boot processor's work. Its return value is the exit code.
guest::u32 guest_main();

/// What a program may define besides: the boot processor's work before its local APIC has been written to.
[[gnu::weak]] void before_apic();

namespace guest {

static_assert(sizeof(Cpu) < GUEST_CPU_BLOCK / 4, "too little left for the stack");

namespace {

unsigned online = 1;
unsigned reserved;

/// Waits for tasks until the machine ends. Interrupts are off between the look and the halt, so none is missed.
[[noreturn]] void serve(Cpu& self)
{
    for (;;) {
        disable_interrupts();
        auto const task = load(self.task);
        if (!task) {
            wait_for_interrupt();
            continue;
        }
        enable_interrupts();
        task(self.argument);
        store(self.task, Task{nullptr});
    }
}

bool start_one(unsigned index, u32 apic_id)
{
    auto& starting = cpu(index);
    starting.index = index;
    starting.apic_id = apic_id;
    boot_stack = reinterpret_cast<u64>(cpu_blocks[index]) + GUEST_CPU_BLOCK;

    auto const is_online = [&] { return load(starting.online); };
    apic::send_init(apic_id);
    let_time_pass(200);
    apic::send_start_up(apic_id, GUEST_TRAMPOLINE);
    if (wait_until(is_online, 20)) return true;
    apic::send_start_up(apic_id, GUEST_TRAMPOLINE);
    return wait_until(is_online);
}

} // namespace

Cpu& this_cpu()
{
    u64 stack{};
    asm volatile("movq %%rsp, %0" : "=r"(stack));
    return *reinterpret_cast<Cpu*>(stack & ~u64{GUEST_CPU_BLOCK - 1});
}

unsigned cpu_count()
{
    return online;
}

Cpu& cpu(unsigned index)
{
    return *reinterpret_cast<Cpu*>(cpu_blocks[index]);
}

unsigned start_cpus(StartOrder order)
{
    ApicIds ids{};
    find_processors(ids);
    auto const own = this_cpu().apic_id;
    auto const size = static_cast<std::size_t>(ap_trampoline_end - ap_trampoline);
    memcpy(reinterpret_cast<void*>(u64{GUEST_TRAMPOLINE}), ap_trampoline, size);
    for (unsigned i = 0; i < ids.count && online < GUEST_MAX_CPUS; ++i) {
        auto const id = ids.id[order == StartOrder::first_to_last ? i : ids.count - 1 - i];
        if (id == own) continue;
        if (!start_one(online, id)) {
            print("# processor with APIC ID ", id, " did not start\n");
            break; // it may still come, and on the stack of the next one
        }
        ++online;
    }
    return online;
}

unsigned machine_cpu_count()
{
    return online + reserved;
}

unsigned reserve_last_cpu()
{
    if (online == 1) return 0;
    ++reserved;
    return --online;
}

void start_on(unsigned index, Task task, void* argument)
{
    auto& target = cpu(index);
    (void)wait_for_task(index, 2 * patience_ms); // one that a failed test left behind
    target.argument = argument;
    store(target.task, task);
    apic::send_interrupt(target.apic_id, apic::wake_vector);
}

bool wait_for_task(unsigned index, u32 milliseconds)
{
    return wait_until([&] { return !load(cpu(index).task); }, milliseconds);
}

bool run_on(unsigned index, Task task, void* argument, u32 milliseconds)
{
    start_on(index, task, argument);
    return wait_for_task(index, milliseconds);
}

} // namespace guest

void cpu_main()
{
    using namespace guest;
    auto& self = this_cpu();
    set_up_traps();
    self.apic_id = apic::reg(apic::id) >> 24;
    if (self.index == 0 && before_apic) before_apic();
    apic::enable();
    enable_interrupts();
    store(self.online, true);
    if (self.index != 0) serve(self);
    read_start_info();
    exit_machine(guest_main());
}
