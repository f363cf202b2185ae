// What a guest pays for the paths that it takes most, in cycles of its time-stamp counter. One line each:
// `bench NAME CYCLES`, the median of many, or `skip NAME: reason`. Alone on one processor unless the command line
// says otherwise: with `cpus=2`, what needs another one; with `contend=1`, what all of them do at the same time; with
// `peer=N`, what needs another guest, started with `serve=N`; with `children=1`, what needs partitions that it makes,
// some of which run this program with `child=1`, and with `others=N`, what making one costs beside so many others.
#include "bench/groups.hpp"
#include "bench/measure.hpp"
#include "hyperv/guest_peer.hpp"
#include "hyperv/peer.hpp"
#include "runtime/console.hpp"
#include "runtime/cpu.hpp"
#include "runtime/start_info.hpp"

using namespace guest;

namespace {

void with_peer()
{
    start_cpus();
    find_peer();
    if (!peer_is_a_guest()) return report_failed("post_message_other");
    between_guests();
    dismiss_guest_peer();
}

void alone()
{
    exits();
    if (!hv::present()) return print("skip the others: CPUID shows no Hv#1 interface\n");
    hv::enable_hypercalls();
    calls();
    clocks();
    deliveries();
    timers();
}

} // namespace

u32 guest_main()
{
    if (auto const driver = served_partition()) return serve_as_peer(driver, Waiting::deaf);
    if (numeric_option("children") != 0) {
        with_children();
    } else if (auto const others = numeric_option("others")) {
        hv::enable_hypercalls();
        lives_beside(static_cast<u32>(others));
    } else if (numeric_option("child") != 0) {
        as_child();
    } else if (*option("peer")) {
        with_peer();
    } else if (auto const count = numeric_option("ports")) {
        hv::enable_hypercalls();
        among_ports(static_cast<u32>(count));
    } else if (numeric_option("contend") != 0) {
        hv::enable_hypercalls();
        if (start_cpus() < numeric_option("cpus")) {
            report_failed("contend");
        } else {
            all_at_once();
        }
    } else if (numeric_option("cpus") > 1) {
        hv::enable_hypercalls();
        between_processors();
    } else {
        alone();
    }
    return failures() ? 1 : 0;
}
