// The conformance suite: what a guest of a Hyper-V hypervisor may rely on, one line per test.
#include "conformance/boot_state.hpp"
#include "hyperv/synic.hpp"
#include "runtime/console.hpp"
#include "runtime/cpu.hpp"
#include "runtime/test.hpp"

guest::u32 guest_main()
{
    using namespace guest;
    record_boot_state();
    start_cpus();
    print("# conformance: ", cpu_count(), " processors, ", hv::present() ? "Hv#1" : "no Hyper-V", "\n");
    return run_tests(put_back_synthetic_state);
}
