#include "bench/groups.hpp"
#include "bench/measure.hpp"

namespace guest {

void exits()
{
    constexpr u16 post_code_port = 0x80;        // nothing waits for it
    constexpr u64 nothing_there = 0xD000'0000u; // in the hole for devices, of which none is here
    report("bare_out_exit", timed([] { out32(post_code_port, 0); }));
    report("mmio_exit", timed([] { *reinterpret_cast<u32 volatile*>(nothing_there) = 0; }));
    report("cpuid_exit", timed([] { (void)cpuid(0); }));
}

} // namespace guest
