// Two guests that exchange very many messages and signals, and check each one; what docs/lab.md calls the soak.
//
//     take=PARTITION count=N    opens a message port and an event port for that partition, and expects N messages
//     send=PARTITION count=N    posts them, and signals an event before each one
//     poll=1                    waits by looking instead of halting, its sources in polling mode
//     pace=MS                  how long a passing port lives (10 milliseconds)
//     quiet=1                   messages only, and nothing on the other processors: for measuring
//
// Message n carries n, and comes after flag n % 2048 was signalled: who takes it must find that flag set. Meanwhile
// the second processors make ports and connections, send through them and delete them again. Flow control is by
// credits, messages in the other direction; the window is wider than a port has buffers, so that posts are refused
// now and then.
#include "hyperv/halting.hpp"
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

constexpr u32 message_port_id = 0x100; ///< the sender's connections have the same numbers
constexpr u32 event_port_id = 0x101;
constexpr u32 credit_port_id = 0x102; ///< of the sender
constexpr u32 first_passing_port = 0x200;
constexpr u32 passing_ports = 16;

constexpr unsigned message_sint = 3;
constexpr unsigned event_sint = 4;
constexpr unsigned credit_sint = 5;
constexpr unsigned passing_sint = 6;
constexpr u8 message_vector = 0x61;
constexpr u8 event_vector = 0x62;
constexpr u8 credit_vector = 0x63;
constexpr u8 passing_vector = 0x64;
constexpr u32 default_pace = 10;

constexpr u64 window = 20;        ///< messages in flight, three more than slot and buffers hold
constexpr u64 credit_every = 8;   ///< messages
constexpr u32 patience = 120'000; ///< milliseconds; the other guest may start much later
constexpr u32 message_type = 0x50;

u64 partner;
u64 count;
bool quiet;
bool poll;
u32 passing_pace; ///< milliseconds that a port lives

/// Waits for a message at that source of this processor.
[[nodiscard]] bool await(unsigned sint)
{
    auto const there = [sint] { return load(slot(sint).type) != message_none; };
    return poll ? wait_until(there, patience) : halt_until(there, patience);
}

void listen(unsigned sint, u8 vector)
{
    set_sint(sint, vector, poll ? sint_polling : 0);
}

/// What the second processor does until it is told to stop.
struct Passing {
    bool stop;
    u64 rounds;
    u64 sent;
    u64 unexpected; ///< a status that cannot be; zero otherwise
};
Passing passing;

[[nodiscard]] u32 fail(char const* what, u64 at, Status status = Status::Success)
{
    print("soak: ", what, " at ", at, ": ", name(status), "\n");
    return 1;
}

[[nodiscard]] Status open_port(CreatePortInput input)
{
    input.connection_partition = partner;
    return create_port(input);
}

[[nodiscard]] Status connect_to(u32 id)
{
    auto input = connect_input(id, id);
    input.port_partition = partner;
    return connect_port(input);
}

[[nodiscard]] bool connect_in_the_end(u32 id)
{
    auto const connected = [id] {
        if (connect_to(id) == Status::Success) return true;
        let_time_pass(1000);
        return false;
    };
    return wait_until(connected, patience);
}

bool one_of(Status status, Status a, Status b, Status c)
{
    return status == Status::Success || status == a || status == b || status == c;
}

/// Of the taker: makes and deletes ports that the sender may be using.
void let_ports_pass(void*)
{
    open_synic();
    start_ticking(passing_pace);
    set_sint(passing_sint, passing_vector);
    for (u64 n = 0; !load(passing.stop); ++n) {
        auto const id = first_passing_port + static_cast<u32>(n % passing_ports);
        auto const input =
            n & 1 ? event_port_input(id, passing_sint, 0, 64, 1) : message_port_input(id, passing_sint, 1);
        auto const made = open_port(input);
        if (made == Status::InvalidPartitionId) return; // the sender has sent all, and its partition is gone
        halt_once();
        release_slot(passing_sint);
        auto const deleted = delete_port(id);
        if (made != Status::Success) store(passing.unexpected, u64{static_cast<u16>(made)});
        if (deleted != Status::Success) store(passing.unexpected, u64{static_cast<u16>(deleted)});
        store(passing.rounds, n + 1);
    }
}

/// Of the sender: connects to those that it finds, sends, and disconnects.
void use_passing_port(u32 id)
{
    if (connect_to(id) != Status::Success) return;
    for (unsigned i = 0; i < 20; ++i) {
        auto const posted = post_message(id, message_type, i);
        auto const signalled = signal_event(id, static_cast<u16>(i));
        if (posted == Status::Success || signalled == Status::Success) store(passing.sent, passing.sent + 1);
        // The port may go at any time, and is for one of the two only.
        if (!one_of(posted, Status::InvalidPortId, Status::InsufficientBuffers, Status::InvalidConnectionId))
            store(passing.unexpected, u64{static_cast<u16>(posted)});
        if (!one_of(signalled, Status::InvalidPortId, Status::InvalidConnectionId, Status::InvalidConnectionId))
            store(passing.unexpected, u64{static_cast<u16>(signalled)});
    }
    auto const left = disconnect_port(id);
    if (left != Status::Success) store(passing.unexpected, u64{static_cast<u16>(left)});
}

void use_passing_ports(void*)
{
    open_synic();
    start_ticking(passing_pace);
    for (u64 n = 0; !load(passing.stop); ++n) {
        halt_once();
        for (u32 i = 0; i < passing_ports; ++i)
            use_passing_port(first_passing_port + i);
        store(passing.rounds, n + 1);
    }
}

void start_passing(Task task)
{
    if (!quiet && cpu_count() > 1) start_on(1, task, nullptr);
}

/// Says what passed; false when something went wrong or nothing happened.
[[nodiscard]] bool end_passing()
{
    if (quiet) return true;
    store(passing.stop, true);
    auto const ended = wait_for_task(1, patience);
    print("soak: ", passing.rounds, " rounds on the other processor, ", passing.sent, " sends\n");
    return ended && passing.rounds && !passing.unexpected;
}

/// Every tenth of the way, so that one that is broken off says how far it came.
void print_progress(u64 taken)
{
    auto const tenth = count / 10;
    if (!quiet && tenth && taken % tenth == 0 && taken != count) print("soak: ", taken, " of ", count, " in order\n");
}

void print_rate(u64 start)
{
    auto const ticks = reference_time() - start; // of 100 ns
    print("soak: ", count, " messages in ", ticks / 10'000, " ms\n");
}

/// Takes message `n` and the flag that came before it.
[[nodiscard]] bool take(u64 n)
{
    auto const payload = slot(message_sint).payload[0];
    auto const flagged = quiet || take_event_flag(event_sint, n % event_flag_count);
    release_slot(message_sint);
    if (payload == n && flagged) return true;
    print("soak: message ", payload, " in the place of ", n, flagged ? "" : ", and its flag is not set", "\n");
    return false;
}

[[nodiscard]] u32 take_all()
{
    listen(message_sint, message_vector);
    listen(event_sint, event_vector); // a masked source takes no flags (2.0a 14.3.1)
    auto status = open_port(message_port_input(message_port_id, message_sint));
    if (status == Status::Success)
        status = open_port(event_port_input(event_port_id, event_sint, 0, event_flag_count));
    if (status != Status::Success) return fail("no ports", 0, status);
    if (!connect_in_the_end(credit_port_id)) return fail("no sender", 0);
    start_passing(let_ports_pass);

    auto const start = reference_time();
    for (u64 n = 0; n < count; ++n) {
        if (!await(message_sint)) return fail("no message", n);
        if (!take(n)) return 1;
        print_progress(n + 1);
        if (n % credit_every != credit_every - 1) continue;
        status = post_message(credit_port_id, message_type, n + 1);
        if (status != Status::Success && n + window < count) return fail("no credit", n, status);
    }
    print_rate(start);
    let_time_pass(10'000);
    if (load(slot(message_sint).type) != message_none) return fail("a message too many", count);
    return end_passing() ? 0 : fail("the other processor", passing.rounds, static_cast<Status>(passing.unexpected));
}

u64 credit; ///< what the taker has taken, as far as is known

[[nodiscard]] bool wait_for_credit()
{
    if (!await(credit_sint)) return false;
    credit = slot(credit_sint).payload[0];
    release_slot(credit_sint);
    return true;
}

[[nodiscard]] u32 send_all()
{
    listen(credit_sint, credit_vector);
    auto status = open_port(message_port_input(credit_port_id, credit_sint));
    if (status != Status::Success) return fail("no port", 0, status);
    if (!connect_in_the_end(message_port_id) || !connect_in_the_end(event_port_id)) return fail("no taker", 0);
    start_passing(use_passing_ports);

    u64 refused = 0;
    for (u64 n = 0; n < count; ++n) {
        if (!quiet) {
            status = signal_event(event_port_id, static_cast<u16>(n % event_flag_count));
            if (status != Status::Success) return fail("signal", n, status);
        }
        while (n - credit >= window) {
            if (!wait_for_credit()) return fail("no credit", n);
        }
        while ((status = post_message(message_port_id, message_type, n)) == Status::InsufficientBuffers) {
            ++refused;
            if (!wait_for_credit()) return fail("no credit", n);
        }
        if (status != Status::Success) return fail("post", n, status);
    }
    auto const passed = end_passing();
    print("soak: ", refused, " posts refused for want of buffers\n");
    return passed ? 0 : fail("the other processor", passing.rounds, static_cast<Status>(passing.unexpected));
}

} // namespace

u32 guest_main()
{
    start_cpus();
    enable_hypercalls();
    open_synic();
    start_ticking();
    count = numeric_option("count");
    quiet = numeric_option("quiet");
    poll = numeric_option("poll");
    passing_pace = static_cast<u32>(numeric_option("pace"));
    if (!passing_pace) passing_pace = default_pace;
    if ((partner = numeric_option("take")) != 0) return take_all();
    if ((partner = numeric_option("send")) != 0) return send_all();
    print("soak: neither take=PARTITION nor send=PARTITION\n");
    return 2;
}
