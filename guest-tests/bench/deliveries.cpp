#include "bench/delivery.hpp"
#include "bench/groups.hpp"
#include "bench/measure.hpp"

namespace guest {

namespace {

using hv::Status;

Status post()
{
    return post_message(measured_connection, 1, 0);
}

/// Posts two, one of which waits behind the other. Each interrupt has been handled when this returns.
Status post_two()
{
    auto status = Status::Success;
    if (!wait_until([&] { return (status = post()) == Status::Success; })) return status;
    return post();
}

/// Empties the slot until nothing waits for it any more.
void take_all()
{
    do {
        release_slot(measured_sint);
    } while (load(slot(measured_sint).type) != message_none);
}

/// The EOM after a message behind which another one waits, which then stands in the slot.
u64 end_of_message()
{
    if (post_two() != Status::Success) return 0;
    u64 cycles{};
    {
        InterruptsOff const off;
        store(slot(measured_sint).type, message_none);
        cycles = timed([] { wrmsr(hv::msr::eom, 0); })();
        if (load(slot(measured_sint).type) == message_none) cycles = 0;
    }
    take_all();
    return cycles;
}

void message_waiting()
{
    // QEMU's test device ends QEMU, by an assertion, when one message waits behind another.
    if (!hv::offered(hv::feature::create_port)) return skip("eom_message_waiting", hv::feature::create_port.text);
    TestConnection const connection{TestConnection::Kind::message, 0};
    report("eom_message_waiting", end_of_message);
}

} // namespace

void deliveries()
{
    if (!hv::offered(hv::feature::synic) || !hv::offered(hv::feature::post_messages)) {
        skip_each(hv::feature::synic.text, "sint_write", "post_message_self", "signal_event_self",
                  "eom_message_waiting");
        return;
    }
    Synic const synic;
    set_sint(measured_sint, measured_vector);
    report("sint_write", timed([] { wrmsr(hv::msr::sint0 + measured_sint, measured_vector); }));
    if (!test_device_present()) {
        skip_each(no_test_device, "post_message_self", "signal_event_self", "eom_message_waiting");
        return;
    }
    report_deliveries("post_message_self", "signal_event_self", 0);
    message_waiting();
}

} // namespace guest
