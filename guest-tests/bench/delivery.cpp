#include "bench/delivery.hpp"

#include "bench/measure.hpp"
#include "runtime/cpu.hpp"

namespace guest {

namespace {

unsigned flag; ///< the one that the test device sets

} // namespace

void message_handler()
{
    release_slot(measured_sint);
    handled_at = rdtsc();
}

void event_handler()
{
    (void)take_event_flag(measured_sint, flag, this_cpu().index);
    handled_at = rdtsc();
}

void plain_handler()
{
    handled_at = rdtsc();
}

TestConnection::TestConnection(Kind kind, u8 vp) : kind_{kind}, vp_{vp}
{
    tell_test_device(kind == Kind::message ? TestDevice::create_message_connection
                                           : TestDevice::create_event_connection,
                     measured_sint, vp, measured_connection);
}

TestConnection::~TestConnection()
{
    tell_test_device(kind_ == Kind::message ? TestDevice::destroy_message_connection
                                            : TestDevice::destroy_event_connection,
                     measured_sint, vp_, measured_connection);
    on_interrupt(measured_vector, nullptr);
}

bool find_flag(unsigned processor)
{
    if (signal_event(measured_connection, 0) != hv::Status::Success) return false;
    return wait_until([processor] {
        for (flag = 0; flag < event_flag_count; ++flag) {
            if (take_event_flag(measured_sint, flag, processor)) return true;
        }
        return false;
    });
}

void report_deliveries(char const* message_name, char const* event_name, u8 vp)
{
    {
        TestConnection const connection{TestConnection::Kind::message, vp};
        on_interrupt(measured_vector, message_handler);
        report(message_name,
               [] { return until_handled_with_retries([] { return post_message(measured_connection, 1, 0); }); });
    }
    TestConnection const connection{TestConnection::Kind::event, vp};
    bool const found = find_flag(vp);
    on_interrupt(measured_vector, event_handler);
    report(event_name, [found] {
        if (!found) return u64{0};
        return until_handled([] { return signal_event(measured_connection, 0); });
    });
}

} // namespace guest
