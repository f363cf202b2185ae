#include "bench/groups.hpp"
#include "bench/measure.hpp"
#include "hyperv/ports.hpp"
#include "hyperv/reference_time.hpp"
#include "hyperv/synic.hpp"

namespace guest {

namespace {

using namespace hv;

constexpr u32 measured_port = 0x1000;
constexpr u32 sint = 4;

u64 create_and_delete_port()
{
    bool well = true;
    auto const cycles = timed([&well] {
        well = create_port(message_port_input(measured_port, sint)) == Status::Success;
        well = delete_port(measured_port) == Status::Success && well;
    })();
    return well ? cycles : 0;
}

/// A call whose input is read from memory, and which ends there: HvSignalEvent, for a connection that nobody has.
void slow_call()
{
    if (!offered(feature::signal_events)) return skip("hypercall_slow", feature::signal_events.text);
    *static_cast<u64*>(input_page()) = 0x00F0'0000; // connection, flag number
    report("hypercall_slow", []() -> u64 {
        u64 result{};
        auto const cycles =
            timed([&result] { result = hypercall(call::signal_event, reinterpret_cast<u64>(input_page())); })();
        return status(result) == Status::InvalidConnectionId ? cycles : 0;
    });
}

} // namespace

void calls()
{
    report("hypercall_unknown_fast", timed([] { (void)hypercall(call::unknown | fast); }));
    slow_call();
    if (!offered(feature::access_partition_id)) {
        skip("get_partition_id", feature::access_partition_id.text);
    } else {
        report("get_partition_id", timed([] { (void)own_partition_id(); }));
    }
    if (!offered(feature::create_port)) return skip("create_delete_port", feature::create_port.text);
    report("create_delete_port", create_and_delete_port);
}

void among_ports(u32 count)
{
    constexpr u32 first = 0x10'0000;
    auto created = 0u;
    while (created < count && create_port(message_port_input(first + created, sint)) == Status::Success)
        ++created;
    if (created < count) return report_failed("create_delete_port_100k");
    report("create_delete_port_100k", create_and_delete_port);
}

void clocks()
{
    static Page page;
    if (!offered(feature::synic)) {
        skip("wrmsr_exit", feature::synic.text);
    } else {
        Synic const synic;
        report("wrmsr_exit", timed([] { wrmsr(msr::eom, 0); }));
    }
    if (!offered(feature::reference_counter)) {
        skip("time_ref_count", feature::reference_counter.text);
    } else {
        report("time_ref_count", timed([] { (void)reference_time(); }));
    }
    if (!offered(feature::reference_tsc)) return skip("reference_tsc_page", feature::reference_tsc.text);
    wrmsr(msr::reference_tsc, gpa(&page) | enable_bit);
    report("reference_tsc_page", timed([] { (void)time_by_page(*reinterpret_cast<ReferenceTscPage*>(page.bytes)); }));
    wrmsr(msr::reference_tsc, 0);
}

} // namespace guest
