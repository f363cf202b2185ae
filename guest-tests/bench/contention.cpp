#include "bench/delivery.hpp"
#include "bench/groups.hpp"
#include "bench/measure.hpp"
#include "hyperv/vp_calls.hpp"
#include "runtime/console.hpp"
#include "runtime/cpu.hpp"

namespace guest {

namespace {

using hv::Status;

constexpr unsigned rounds = 500;
constexpr u32 limit_ms = 30'000; ///< for all rounds of all processors, which may be more than the machine has
constexpr u32 measured_port = 0x1000;

/// What one processor does and has done. Nothing of it shares a cache line with another one's.
struct alignas(128) Contender {
    u64 begin;
    u64 end;
    unsigned done; ///< rounds; fewer than all when one failed
    unsigned flag; ///< that the test device sets for this processor
    unsigned volatile handled;
};

/// One round. False when it was not carried out.
using Round = bool (*)(Contender&);

Contender contenders[GUEST_MAX_CPUS];
unsigned volatile arrived;
Round round;

Contender& self()
{
    return contenders[this_cpu().index];
}

u32 index_of(Contender const& contender)
{
    return static_cast<u32>(&contender - contenders);
}

void contend(void*)
{
    auto& contender = self();
    contender.done = 0;
    for (unsigned i = 0; i < warm_up_rounds; ++i)
        (void)round(contender);
    __atomic_fetch_add(&arrived, 1, __ATOMIC_ACQ_REL);
    if (!wait_until([] { return load(arrived) == cpu_count(); }, limit_ms)) return;
    contender.begin = rdtsc();
    while (contender.done < rounds && round(contender))
        ++contender.done;
    contender.end = rdtsc();
}

/// Has all processors carry out their rounds at the same time. Prints the cycles in which, by and large, one of them
/// is done: n processors that do not hinder each other get 1/n of what one gets.
void report_together(char const* name, Round action)
{
    round = action;
    store(arrived, 0u);
    for (unsigned i = 1; i < cpu_count(); ++i)
        start_on(i, contend, nullptr);
    contend(nullptr);
    bool complete = contenders[0].done == rounds;
    u64 begin = contenders[0].begin;
    u64 end = contenders[0].end;
    for (unsigned i = 1; i < cpu_count(); ++i) {
        complete = wait_for_task(i, limit_ms) && contenders[i].done == rounds && complete;
        if (contenders[i].begin < begin) begin = contenders[i].begin;
        if (contenders[i].end > end) end = contenders[i].end;
    }
    if (!complete) return report_failed(name);
    print("bench ", name, " ", (end - begin) / (u64{rounds} * cpu_count()), "\n");
}

/// On every processor, one after the other.
bool on_each(Task task)
{
    task(nullptr);
    bool done = true;
    for (unsigned i = 1; i < cpu_count(); ++i)
        done = run_on(i, task, nullptr) && done;
    return done;
}

u8 connection_of(Contender const& contender)
{
    return static_cast<u8>(measured_connection + index_of(contender));
}

void connect(TestDevice command)
{
    for (unsigned i = 0; i < cpu_count(); ++i)
        tell_test_device(command, measured_sint, static_cast<u8>(i), connection_of(contenders[i]));
}

bool until_handled_once(Contender& contender, Status (*send)(u32 connection))
{
    auto const before = load(contender.handled);
    auto const connection = connection_of(contender);
    // QEMU's test device takes the next message only some time after the last one was taken from the slot.
    return wait_until([=] { return send(connection) == Status::Success; }) &&
           wait_until([&contender, before] { return load(contender.handled) != before; });
}

void message_taken()
{
    release_slot(measured_sint);
    store(self().handled, self().handled + 1);
}

void flag_taken()
{
    (void)take_event_flag(measured_sint, self().flag, this_cpu().index);
    store(self().handled, self().handled + 1);
}

Status post(u32 connection)
{
    return post_message(connection, 1, 0);
}

Status signal(u32 connection)
{
    return signal_event(connection, 0);
}

/// Which flag it is depends on the device.
void find_own_flag(void*)
{
    auto& contender = self();
    contender.flag = event_flag_count;
    if (signal(connection_of(contender)) != Status::Success) return;
    (void)wait_until([&contender] {
        for (unsigned flag = 0; flag < event_flag_count; ++flag) {
            if (take_event_flag(measured_sint, flag, index_of(contender))) contender.flag = flag;
        }
        return contender.flag < event_flag_count;
    });
}

void deliveries_to_self()
{
    if (!hv::offered(hv::feature::synic) || !hv::offered(hv::feature::post_messages))
        return skip_each(hv::feature::synic.text, "post_message_self", "signal_event_self", "signal_event_same");
    bool const ready = on_each([](void*) {
        open_synic();
        set_sint(measured_sint, measured_vector);
    });
    if (!ready) return fail_each("post_message_self", "signal_event_self", "signal_event_same");
    if (!test_device_present())
        return skip_each(no_test_device, "post_message_self", "signal_event_self", "signal_event_same");

    connect(TestDevice::create_message_connection);
    on_interrupt(measured_vector, message_taken);
    report_together("post_message_self", [](Contender& contender) { return until_handled_once(contender, post); });
    connect(TestDevice::destroy_message_connection);

    connect(TestDevice::create_event_connection);
    on_interrupt(measured_vector, plain_handler);
    if (!on_each(find_own_flag)) return fail_each("signal_event_self", "signal_event_same");
    on_interrupt(measured_vector, flag_taken);
    report_together("signal_event_self", [](Contender& contender) { return until_handled_once(contender, signal); });
    report_together("signal_event_same", [](Contender&) { return signal(measured_connection) == Status::Success; });
    connect(TestDevice::destroy_event_connection);
}

} // namespace

void all_at_once()
{
    constexpr u16 post_code_port = 0x80; // nothing waits for it
    report_together("cpuid_exit", [](Contender&) {
        (void)cpuid(0);
        return true;
    });
    report_together("bare_out_exit", [](Contender&) {
        out32(post_code_port, 0);
        return true;
    });
    report_together("hypercall_unknown_fast", [](Contender&) {
        (void)hv::hypercall(hv::call::unknown | hv::fast);
        return true;
    });
    if (!hv::offered(hv::feature::create_port)) {
        skip("create_delete_port", hv::feature::create_port.text);
    } else {
        report_together("create_delete_port", [](Contender& contender) {
            auto const port = measured_port + index_of(contender);
            return create_port(message_port_input(port, measured_sint)) == Status::Success &&
                   delete_port(port) == Status::Success;
        });
    }
    deliveries_to_self();
}

} // namespace guest
