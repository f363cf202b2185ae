#include "hyperv/guest_peer.hpp"

#include "hyperv/halting.hpp"
#include "hyperv/ports.hpp"
#include "hyperv/synic.hpp"
#include "runtime/console.hpp"
#include "runtime/cpu.hpp"
#include "runtime/memory.hpp"
#include "runtime/start_info.hpp"

namespace guest {

namespace {

using hv::Status;

constexpr u32 command_port = 0xC0'00DE; ///< of the server; its connection there has the same number
constexpr u32 answer_port = 0xC0'00DF;  ///< of the driver
constexpr u32 sint = 14;
constexpr u8 command_vector = 0x51;
constexpr u8 listener_vector = 0x53;
constexpr u32 message_type = 0xC0;
constexpr u32 connect_patience_ms = 120'000; ///< the other guest may start much later
constexpr u32 command_patience_ms = 120'000;
constexpr unsigned payload_words = 20; ///< of a taken message, that an answer has room for

/// The first five words of a PeerRequest are the command; its sixth to twelfth, and some payload, the answer.
struct Command {
    u64 sequence;
    u64 words[5];
};
struct Answer {
    u64 sequence;
    u64 words[8 + payload_words];
};
static_assert(sizeof(Command) == 8 + offsetof(PeerRequest, completed));
static_assert(sizeof(Answer::words) ==
              offsetof(PeerRequest, taken_payload) - sizeof(Command::words) + payload_words * 8);
static_assert(sizeof(Answer) <= 240);

template <typename T>
Status post(u32 connection, T const& content)
{
    hv::enable_hypercalls();
    if (!(rdmsr(hv::msr::hypercall) & hv::enable_bit)) return Status::AccessDenied; // a test has locked it
    PostMessageInput input{};
    input.connection_id = connection;
    input.message_type = message_type;
    input.payload_size = sizeof content;
    memcpy(input.payload, &content, sizeof content);
    return hv::call_with(hv::call::post_message, input);
}

/// The other side takes one message at a time, so that this one only waits for its turn.
template <typename T>
[[nodiscard]] bool post_in_the_end(u32 connection, T const& content)
{
    return wait_until([&] { return post(connection, content) == Status::Success; });
}

template <typename T>
void read_slot(T& content, unsigned processor)
{
    auto const volatile* const from = slot(sint, processor).payload;
    u64 words[sizeof(T) / 8];
    for (unsigned i = 0; i < sizeof(T) / 8; ++i)
        words[i] = from[i];
    memcpy(&content, words, sizeof content);
}

[[nodiscard]] bool open_port(u32 port_id, u64 for_partition, u32 vp)
{
    auto input = message_port_input(port_id, sint, vp);
    input.connection_partition = for_partition;
    return create_port(input) == Status::Success;
}

[[nodiscard]] bool connect_to(u64 partition, u32 id)
{
    auto input = connect_input(id, id);
    input.port_partition = partition;
    auto const connected = [&] {
        if (connect_port(input) == Status::Success) return true;
        let_time_pass(1000);
        return false;
    };
    return wait_until(connected, connect_patience_ms);
}

// The driver's side.

unsigned control_cpu;
u64 sequence;
u32 lock_word;

class Lock {
  public:
    Lock()
    {
        while (__atomic_exchange_n(&lock_word, 1, __ATOMIC_ACQUIRE))
            relax();
    }
    ~Lock() { __atomic_store_n(&lock_word, 0, __ATOMIC_RELEASE); }
    Lock(Lock const&) = delete;
    Lock& operator=(Lock const&) = delete;
};

// The server's side.

/// A port that the server was asked to listen on, with a source of its own.
struct Listener {
    u32 port_id;
    u32 type;
    bool used;
};
constexpr u32 first_listener_sint = 2;
Listener listeners[8];
Page monitor_pages[2]; ///< of a monitor port, and of a monitor connection: one of each at a time

Listener* listener_of(u32 port_id)
{
    for (auto& listener : listeners) {
        if (listener.used && listener.port_id == port_id) return &listener;
    }
    return nullptr;
}

u32 sint_of(Listener const& listener)
{
    return first_listener_sint + static_cast<u32>(&listener - listeners);
}

Status listen(PeerRequest const& request, u64 driver)
{
    for (auto& listener : listeners) {
        if (listener.used) continue;
        auto input = request.port_type == event_port
                         ? event_port_input(request.port_id, sint_of(listener), 0, event_flag_count)
                         : message_port_input(request.port_id, sint_of(listener));
        input.connection_partition = driver;
        input.port_type = request.port_type;
        if (request.port_type == monitor_port) {
            input = monitor_port_input(request.port_id, gpa(&monitor_pages[0]));
            input.connection_partition = driver;
        }
        clear_event_flags(sint_of(listener));
        set_sint(sint_of(listener), listener_vector); // a masked source takes no flags (2.0a 14.3.1)
        auto const status = create_port(input);
        if (status == Status::Success) listener = {request.port_id, request.port_type, true};
        return status;
    }
    return Status::NoResources;
}

Status close(PeerRequest const& request)
{
    auto* const listener = listener_of(request.port_id);
    if (!listener) return Status::InvalidPortId;
    listener->used = false;
    auto const status = delete_port(request.port_id);
    release_slot(sint_of(*listener));
    mask_sint(sint_of(*listener));
    return status;
}

Status take(PeerRequest& request)
{
    auto const* const listener = listener_of(request.port_id);
    if (!listener) return Status::InvalidPortId;
    auto const from = sint_of(*listener);
    if (listener->type == event_port) {
        for (u32 flag = 0; flag < event_flag_count && !request.taken; ++flag) {
            if (!take_event_flag(from, flag)) continue;
            request.taken = 1;
            request.taken_flag = flag;
            request.taken_origin = request.port_id;
        }
        return Status::Success;
    }
    auto const& message = slot(from);
    if (load(message.type) == message_none) return Status::Success;
    request.taken = 1;
    request.taken_type = message.type;
    request.taken_size = message.payload_size;
    request.taken_origin = message.origin;
    for (unsigned i = 0; i < payload_words; ++i)
        request.taken_payload[i] = message.payload[i];
    release_slot(from);
    return Status::Success;
}

Status connect(PeerRequest const& request, u64 driver)
{
    auto input = connect_input(request.connection_id, request.port_id);
    input.port_partition = driver;
    input.info[0] = request.port_type == monitor_port ? gpa(&monitor_pages[1]) : request.port_type;
    return connect_port(input);
}

Status post_one(PeerRequest const& request, u64 n)
{
    PostMessageInput input{};
    input.connection_id = request.connection_id;
    input.message_type = request.message_type;
    input.payload_size = request.payload_size;
    input.payload[0] = request.payload + n;
    return hv::call_with(hv::call::post_message, input);
}

Status carry_out_once(PeerRequest& request, u64 driver, u64 n)
{
    switch (request.operation) {
    case PeerOperation::connect: return connect(request, driver);
    case PeerOperation::post: return post_one(request, n);
    case PeerOperation::signal: return signal_event(request.connection_id, static_cast<u16>(request.flag_number));
    case PeerOperation::disconnect: return disconnect_port(request.connection_id);
    case PeerOperation::listen: return listen(request, driver);
    case PeerOperation::take: return take(request);
    case PeerOperation::close: return close(request);
    case PeerOperation::count_interrupts:
        let_time_pass(u64{request.count} * 1000); // with interrupts off, as always here
        request.taken = load(this_cpu().interrupts[request.port_id & 0xFF]);
        return Status::Success;
    case PeerOperation::quit: return Status::Success;
    }
    return Status::InvalidParameter;
}

void carry_out(PeerRequest& request, u64 driver)
{
    auto const repeats = request.operation == PeerOperation::post || request.operation == PeerOperation::signal;
    auto const count = repeats ? request.count : 1;
    for (u64 n = 0; n < count; ++n) {
        auto const status = carry_out_once(request, driver, n);
        if (n < sizeof request.statuses / sizeof *request.statuses) request.statuses[n] = static_cast<u16>(status);
        if (status == Status::Success) ++request.completed;
        request.status = static_cast<u32>(status);
    }
}

/// Until there is a command.
[[nodiscard]] bool wait_for_command(Waiting waiting)
{
    auto const there = [] { return load(slot(sint).type) != message_none; };
    disable_interrupts();
    return waiting == Waiting::halted ? halt_until(there, command_patience_ms)
                                      : wait_until(there, command_patience_ms);
}

} // namespace

u64 served_partition()
{
    return numeric_option("serve");
}

u32 serve_as_peer(u64 driver, Waiting waiting)
{
    hv::enable_hypercalls();
    open_synic();
    on_interrupt(non_maskable, [] {});
    set_sint(sint, command_vector);
    if (waiting == Waiting::halted) start_ticking();
    if (!open_port(command_port, driver, 0) || !connect_to(driver, answer_port)) {
        print("# cannot reach partition ", driver, "\n");
        return 3;
    }
    print("# serving partition ", driver, "\n");
    while (wait_for_command(waiting)) {
        Command command;
        read_slot(command, 0);
        release_slot(sint);
        PeerRequest request{};
        memcpy(&request, command.words, sizeof command.words);
        carry_out(request, driver);
        Answer answer{};
        answer.sequence = command.sequence;
        memcpy(answer.words, &request.completed, sizeof answer.words);
        if (!post_in_the_end(answer_port, answer)) break;
        if (request.operation == PeerOperation::quit) return 0;
    }
    print("# partition ", driver, " is silent\n");
    return 3;
}

bool open_guest_peer(u64 server)
{
    control_cpu = reserve_last_cpu();
    if (!control_cpu) return false;
    hv::enable_hypercalls();
    return run_on(control_cpu, [] { open_synic(); }) && open_port(answer_port, server, control_cpu) &&
           connect_to(server, command_port);
}

void begin_asking_peer(PeerRequest const& request)
{
    Command command{};
    command.sequence = ++sequence;
    memcpy(command.words, &request, sizeof command.words);
    (void)post_in_the_end(command_port, command);
}

bool peer_has_answered()
{
    return load(slot(sint, control_cpu).type) != message_none;
}

PeerRequest finish_asking_peer()
{
    PeerRequest result{};
    result.status = static_cast<u32>(Status::NoResources);
    Answer answer{};
    while (wait_for_message(sint, control_cpu, 2 * patience_ms)) {
        read_slot(answer, control_cpu);
        (void)run_on(control_cpu, [] { release_slot(sint); });
        if (answer.sequence != sequence) continue; // late, after a test that gave up
        memcpy(&result.completed, answer.words, sizeof answer.words);
        break;
    }
    return result;
}

PeerRequest ask_guest_peer(PeerRequest const& request)
{
    Lock const lock;
    begin_asking_peer(request);
    auto const result = finish_asking_peer();
    PeerRequest whole = request;
    memcpy(&whole.completed, &result.completed, sizeof result - offsetof(PeerRequest, completed));
    return whole;
}

void dismiss_guest_peer()
{
    static bool dismissed = false;
    if (dismissed) return;
    dismissed = true;
    PeerRequest request{};
    request.operation = PeerOperation::quit;
    (void)ask_guest_peer(request);
}

} // namespace guest
