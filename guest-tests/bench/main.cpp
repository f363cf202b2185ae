// What a guest pays for the paths that it takes most, in cycles of its time-stamp counter. One line each:
// `bench NAME CYCLES`, the median of many, or `skip NAME: reason`.
#include "bench/measure.hpp"
#include "hyperv/guest_peer.hpp"
#include "hyperv/peer.hpp"
#include "hyperv/ports.hpp"
#include "hyperv/reference_time.hpp"
#include "hyperv/synic.hpp"
#include "runtime/console.hpp"
#include "runtime/cpu.hpp"
#include "runtime/start_info.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u8 sint = 4;
constexpr u8 vector = 0x91;
constexpr u8 connection = 0x41;

unsigned flag;           ///< the one that the test device sets
u64 volatile handled_at; ///< when the handler had emptied the slot or cleared the flag; zero until then

void message_handler()
{
    release_slot(sint);
    handled_at = rdtsc();
}

void event_handler()
{
    (void)take_event_flag(sint, flag);
    handled_at = rdtsc();
}

/// From the send until the handler is done with it; the EOI comes after that. Zero when it was not sent or did not
/// arrive.
template <typename Send>
u64 until_handled(Send const& send)
{
    handled_at = 0;
    auto const start = rdtsc();
    if (send() != Status::Success) return 0;
    if (!wait_until([] { return handled_at != 0; })) return 0;
    return handled_at - start;
}

/// Signals once and looks which flag that sets; the devices differ.
bool find_flag()
{
    if (signal_event(connection, 0) != Status::Success) return false;
    auto const is_set = [] {
        for (flag = 0; flag < event_flag_count; ++flag) {
            if (take_event_flag(sint, flag)) return true;
        }
        return false;
    };
    return wait_until(is_set);
}

/// QEMU's test device takes the next message only some time after the last one was taken from the slot.
template <typename Send>
u64 until_handled_with_retries(Send const& send)
{
    u64 cycles = 0;
    (void)wait_until([&] { return (cycles = until_handled(send)) != 0; });
    return cycles;
}

void deliveries()
{
    if (!offered(feature::synic) || !offered(feature::post_messages)) {
        print("skip post_message_self: ", feature::synic.text, "\nskip signal_event_self: ", feature::synic.text,
              "\n");
        return;
    }
    Synic const synic;
    if (!test_device_present()) {
        print("skip post_message_self: no SynIC test device at I/O port 0x3000\n"
              "skip signal_event_self: no SynIC test device at I/O port 0x3000\n");
        return;
    }
    set_sint(sint, vector);

    tell_test_device(TestDevice::create_message_connection, sint, 0, connection);
    on_interrupt(vector, message_handler);
    report("post_message_self",
           [] { return until_handled_with_retries([] { return post_message(connection, 1, 0); }); });
    tell_test_device(TestDevice::destroy_message_connection, sint, 0, connection);

    tell_test_device(TestDevice::create_event_connection, sint, 0, connection);
    bool const found = find_flag();
    on_interrupt(vector, event_handler);
    report("signal_event_self", [found] {
        if (!found) return u64{0};
        return until_handled([] { return signal_event(connection, 0); });
    });
    tell_test_device(TestDevice::destroy_event_connection, sint, 0, connection);
    on_interrupt(vector, nullptr);
}

constexpr u32 measured_port = 0x1000;

u64 create_and_delete_port()
{
    bool well = true;
    auto const cycles = timed([&well] {
        well = create_port(message_port_input(measured_port, sint)) == Status::Success;
        well = delete_port(measured_port) == Status::Success && well;
    })();
    return well ? cycles : 0;
}

void ports()
{
    if (!offered(feature::create_port)) return print("skip create_delete_port: ", feature::create_port.text, "\n");
    report("create_delete_port", create_and_delete_port);
}

/// The same in a partition that has very many ports already.
void many_ports()
{
    constexpr u32 first = 0x10'0000;
    constexpr u32 count = 100'000;
    auto created = 0u;
    while (created < count && create_port(message_port_input(first + created, sint)) == Status::Success)
        ++created;
    if (created == count) {
        report("create_delete_port_100k", create_and_delete_port);
    } else {
        report_failed("create_delete_port_100k");
    }
}

void partition_id()
{
    if (!offered(feature::access_partition_id))
        return print("skip get_partition_id: ", feature::access_partition_id.text, "\n");
    report("get_partition_id", timed([] { (void)own_partition_id(); }));
}

void clocks()
{
    static Page page;
    if (!offered(feature::reference_counter)) {
        print("skip time_ref_count: ", feature::reference_counter.text, "\n");
    } else {
        report("time_ref_count", timed([] { (void)reference_time(); }));
    }
    if (!offered(feature::reference_tsc))
        return print("skip reference_tsc_page: ", feature::reference_tsc.text, "\n");
    wrmsr(msr::reference_tsc, gpa(&page) | enable_bit);
    report("reference_tsc_page", timed([] { (void)time_by_page(*reinterpret_cast<ReferenceTscPage*>(page.bytes)); }));
    wrmsr(msr::reference_tsc, 0);
}

void msr_write()
{
    if (!offered(feature::synic)) return print("skip wrmsr_exit: ", feature::synic.text, "\n");
    Synic const synic;
    report("wrmsr_exit", timed([] { wrmsr(msr::eom, 0); }));
}

/// From the call to its return; the other guest, whose interrupts are masked, takes the message afterwards.
void between_guests()
{
    constexpr u32 its_port = 0x2000;
    constexpr u32 own_connection = 0x2001;
    auto const ready = peer_listen(its_port, message_port) == Status::Success &&
                       connect_port(connect_input(own_connection, its_port)) == Status::Success;
    report("post_message_other", [ready]() -> u64 {
        if (!ready) return 0;
        auto well = true;
        auto const cycles = timed([&well] { well = post_message(own_connection, 1, 0) == Status::Success; })();
        well = well && peer_take(its_port).taken == 1;
        return well ? cycles : 0;
    });
}

/// With `peer=N`: what needs another guest, which was started with `serve=N`, or a large pool.
u32 with_peer()
{
    start_cpus();
    find_peer();
    if (!peer_is_a_guest()) {
        report_failed("post_message_other");
    } else {
        between_guests();
        many_ports();
        dismiss_guest_peer();
    }
    return failures() ? 1 : 0;
}

} // namespace

u32 guest_main()
{
    if (auto const driver = served_partition()) return serve_as_peer(driver, Waiting::deaf);
    if (*option("peer")) return with_peer();
    constexpr u16 post_code_port = 0x80; // nothing waits for it
    report("bare_out_exit", timed([] { out32(post_code_port, 0); }));
    if (!present()) {
        print("skip the others: CPUID shows no Hv#1 interface\n");
        return 0;
    }
    enable_hypercalls();
    report("hypercall_unknown_fast", timed([] { (void)hypercall(call::unknown | fast); }));
    msr_write();
    clocks();
    partition_id();
    ports();
    deliveries();
    return failures() ? 1 : 0;
}
