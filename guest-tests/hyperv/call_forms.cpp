#include "hyperv/call_forms.hpp"

#include "runtime/traps.hpp"

namespace guest {

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

u64 call_32(u64 control, u64 first, u64 second)
{
    Registers32 registers{};
    registers.eax = static_cast<u32>(control);
    registers.edx = static_cast<u32>(control >> 32);
    registers.ecx = static_cast<u32>(first);
    registers.ebx = static_cast<u32>(first >> 32);
    registers.esi = static_cast<u32>(second);
    registers.edi = static_cast<u32>(second >> 32);
    call_from_32bit(hv::hypercall_page(), registers);
    return u64{registers.edx} << 32 | registers.eax;
}

// Nothing in these programs uses XMM registers, so that they stay what they are until the call.
u64 call_32_by_registers(u64 control, u64 const* words, unsigned count)
{
    u64 all[14]{};
    memcpy(all, words, count * sizeof *words);
    asm volatile("movups (%0), %%xmm0\n\t"
                 "movups 16(%0), %%xmm1\n\t"
                 "movups 32(%0), %%xmm2\n\t"
                 "movups 48(%0), %%xmm3\n\t"
                 "movups 64(%0), %%xmm4\n\t"
                 "movups 80(%0), %%xmm5" ::"r"(all + 2)
                 : "memory");
    return call_32(control | hv::fast, all[0], all[1]);
}

} // namespace guest
