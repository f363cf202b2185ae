// The conformance suite: what a guest of a Hyper-V hypervisor may rely on, one line per test.
#include "conformance/boot_state.hpp"
#include "hyperv/guest_peer.hpp"
#include "hyperv/peer.hpp"
#include "hyperv/synic.hpp"
#include "runtime/console.hpp"
#include "runtime/cpu.hpp"
#include "runtime/start_info.hpp"
#include "runtime/test.hpp"

guest::u32 guest_main()
{
    using namespace guest;
    if (auto const driver = served_partition()) return serve_as_peer(driver);
    record_boot_state();
    start_cpus();
    find_peer();
    print("# conformance: ", cpu_count(), " processors, ", hv::present() ? "Hv#1" : "no Hyper-V", "\n");
    if (*option("peer") && !peer_is_a_guest()) {
        print("# the guest that peer= names does not answer, or there is no processor for it\n");
        return 3;
    }
    auto const result = run_tests(put_back_synthetic_state);
    if (peer_is_a_guest()) dismiss_guest_peer();
    return result;
}
