#include "hyperv/vp_calls.hpp"

#include "runtime/cpu.hpp"
#include "runtime/traps.hpp"

namespace guest {

Page& ListCall::page()
{
    static Page input;
    return input;
}

Page& ListCall::output()
{
    static Page output;
    return output;
}

u64 call_by_registers(u64 control, u64 const* words, unsigned count)
{
    Registers64 registers{};
    registers.general[Registers64::rcx] = control | hv::fast;
    if (count > 0) registers.general[Registers64::rdx] = words[0];
    if (count > 1) registers.general[Registers64::r8] = words[1];
    for (unsigned i = 2; i < count; ++i)
        registers.xmm[i - 2] = words[i];
    call_with(hv::hypercall_page(), registers);
    return registers.general[Registers64::rax];
}

u32 vp_index_of(unsigned cpu)
{
    u32 index = ~0u;
    if (cpu == this_cpu().index) return static_cast<u32>(rdmsr(hv::msr::vp_index));
    if (!run_on(cpu, [&] { index = static_cast<u32>(rdmsr(hv::msr::vp_index)); })) return ~0u;
    return index;
}

} // namespace guest
