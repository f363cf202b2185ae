#include "hyperv/vp_calls.hpp"

#include "runtime/cpu.hpp"

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

u32 vp_index_of(unsigned cpu)
{
    u32 index = ~0u;
    if (cpu == this_cpu().index) return static_cast<u32>(rdmsr(hv::msr::vp_index));
    if (!run_on(cpu, [&] { index = static_cast<u32>(rdmsr(hv::msr::vp_index)); })) return ~0u;
    return index;
}

} // namespace guest
