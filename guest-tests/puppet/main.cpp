// A guest that does what its command line says, one word after the other, for tests of what a launch of several
// guests does with them. Words and their arguments, which are numbers unless said otherwise:
//
//     say:TEXT               prints the text, with a line's end
//     print:TEXT             without
//     flood:N                prints N lines
//     await:TEXT             waits until the text comes in on the serial port
//     await-power-button     waits until somebody presses it
//     generation             prints the generation ID, as two numbers
//     await-generation       waits until its event comes
//     time                   prints the reference time and the TSC, in milliseconds
//     rtc                    prints what the battery-backed clock shows: year, month, day, hour, minute, second
//     tick:MS                waits for a synthetic timer's message at SINT 4, due then, and empties the slot
//     id                     prints the partition's ID
//     synic                  enables the SynIC of this processor, with SINT 4 masked but receiving
//     port:ID:PARTITION      makes a message port for that partition to connect to, at SINT 4
//     port-in:OWNER:ID:PARTITION    the same in a partition that is this one's child
//     connect:PARTITION:ID   connects to that port there
//     monitor-ports:PARTITION    makes an event port (ID 1) and a monitor port (ID 2) for that partition
//     monitor:PARTITION      connects to those, and says which connection trigger 0 of the page signals
//     arm                    enables the trigger's group; nothing ever pulls it
//     post                   posts a message through that connection
//     post-until-refused     posts until the answer is neither success nor want of buffers
//     register-of:PARTITION  reads a register of that partition's first processor
//     take                   waits for a message in SINT 4's slot, and empties it
//     power-off, reset, triple-fault, crash, halt, exit:N     an end of one kind or another
//
// Calls print their status.
#include <new>

#include "hyperv/monitor.hpp"
#include "hyperv/ports.hpp"
#include "hyperv/reference_time.hpp"
#include "hyperv/synic.hpp"
#include "hyperv/vp_registers.hpp"
#include "runtime/console.hpp"
#include "runtime/start_info.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u8 sint = 4;
constexpr u8 vector = 0x91;
constexpr u32 connection = 0x100;
constexpr u32 event_port_id = 1;
constexpr u32 monitor_port_id = 2;
constexpr u32 event_connection = 0x101;
constexpr u32 monitor_connection = 0x102;
constexpr u16 trigger_latency = 1000; ///< 100 ns
Page page;
constexpr u16 rtc = 0x70;
constexpr u16 serial = 0x3F8;
constexpr u16 power_status = 0x600; ///< PM1a_EVT_BLK of Porthole's machine (docs/devices.md)
constexpr u16 power_control = 0x604;
constexpr u16 power_events = 0x60C; ///< GPE0_BLK
constexpr u16 reset_control = 0xCF9;
constexpr u64 crash_notify = u64{1} << 63;

void out16(u16 port, u16 value)
{
    asm volatile("outw %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

u16 in16(u16 port)
{
    u16 value{};
    asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

[[noreturn]] void halt()
{
    for (;;)
        asm volatile("cli; hlt");
}

/// What stands behind a word's name, up to the next space.
class Arguments {
  public:
    explicit Arguments(char const* text) : text_{text} {}

    /// The next number; zero when there is none.
    u64 number()
    {
        u64 value = 0;
        if (*text_ == ':') ++text_;
        for (; *text_ >= '0' && *text_ <= '9'; ++text_)
            value = value * 10 + static_cast<u64>(*text_ - '0');
        return value;
    }
    void print_text() const
    {
        for (auto const* c = text_ + (*text_ == ':'); *c && *c != ' '; ++c)
            write(*c);
    }
    [[nodiscard]] bool next_is(unsigned at, char c) const { return text_[1 + at] == c; }
    [[nodiscard]] bool ends_at(unsigned at) const { return !text_[1 + at] || text_[1 + at] == ' '; }

  private:
    char const* text_;
};

void say(char const* what, Status status)
{
    print(what, ": ", name(status), "\n");
}

void await(Arguments const& text)
{
    out8(serial + 1, 1); // receive interrupts on: the host takes that for somebody who listens
    for (unsigned matched = 0; !text.ends_at(matched);) {
        if (!(in8(serial + 5) & 1)) {
            relax();
            continue;
        }
        auto const c = static_cast<char>(in8(serial));
        matched = text.next_is(matched, c) ? matched + 1 : text.next_is(0, c);
    }
}

void await_power_button()
{
    constexpr u16 pressed = 1u << 8;
    while (!(in16(power_status) & pressed))
        relax();
}

constexpr u64 generation_address = 0xF'E000; ///< of Porthole's machine (docs/devices.md)

void tell_generation()
{
    auto const* const words = reinterpret_cast<u64 const volatile*>(generation_address);
    print("generation ", hex(words[0]), " ", hex(words[1]), "\n");
}

void await_generation()
{
    constexpr u8 changed = 1;
    while (!(in8(power_events) & changed))
        relax();
    out8(power_events, changed);
}

void enable_synic()
{
    alignas(Synic) static unsigned char place[sizeof(Synic)];
    new (place) Synic; // for good
    set_sint(sint, vector, sint_masked);
}

void make_port(u64 owner, Arguments& arguments)
{
    auto input = message_port_input(static_cast<u32>(arguments.number()), sint);
    input.port_partition = owner;
    input.connection_partition = arguments.number();
    say("port", create_port(input));
}

void connect(Arguments& arguments)
{
    auto input = connect_input(connection, 0);
    input.port_partition = arguments.number();
    input.port_id = static_cast<u32>(arguments.number());
    say("connect", connect_port(input));
}

void make_monitor_ports(u64 partition)
{
    auto events = event_port_input(event_port_id, sint, 0, 1);
    auto monitor = monitor_port_input(monitor_port_id, gpa(&page));
    events.connection_partition = monitor.connection_partition = partition;
    say("port", create_port(events));
    say("port", create_port(monitor));
}

void connect_monitor(u64 partition)
{
    auto events = connect_input(event_connection, event_port_id);
    auto monitor = connect_input(monitor_connection, monitor_port_id);
    events.port_partition = monitor.port_partition = partition;
    monitor.info[0] = gpa(&page);
    say("connect", connect_port(events));
    say("connect", connect_port(monitor));
    describe_trigger(monitor_page(page), 0, event_connection, 0, trigger_latency);
}

void read_register(u64 partition)
{
    ListCall call{RegisterHeader{partition, 0, 0}};
    call.add(reg::rip);
    say("register", status(call.reps(call::get_vp_registers)));
}

void post_until_refused()
{
    auto status = Status::Success;
    while (status == Status::Success || status == Status::InsufficientBuffers)
        status = post_message(connection, 1, 0);
    say("post", status);
}

void tell_time()
{
    print("time ", reference_time() / per_millisecond, " ", rdtsc() / (tsc_frequency() / 1000), "\n");
}

u8 cmos(u8 index)
{
    out8(rtc, index);
    auto const bcd = in8(rtc + 1);
    return static_cast<u8>((bcd >> 4) * 10 + (bcd & 0xF)); // as it is while nobody has set it otherwise
}

void tell_rtc()
{
    constexpr u8 second = 0, minute = 2, hour = 4, day = 7, month = 8, year = 9, century = 0x32;
    u8 read[7]{};
    do {
        read[6] = cmos(second);
        u8 const from[] = {century, year, month, day, hour, minute};
        for (unsigned i = 0; i < 6; ++i)
            read[i] = cmos(from[i]);
    } while (cmos(second) != read[6]); // an update came between
    print("rtc ", read[0] * 100u + read[1], " ", read[2], " ", read[3], " ", read[4], " ", read[5], " ", read[6],
          "\n");
}

void tick(u64 milliseconds)
{
    constexpr u64 enabled = 1;
    constexpr unsigned sint_shift = 16;
    wrmsr(msr::stimer0_count, reference_time() + milliseconds * per_millisecond);
    wrmsr(msr::stimer0_config, enabled | u64{sint} << sint_shift);
    print(wait_for_message(sint) ? "tick\n" : "no tick\n");
    release_slot(sint);
}

void triple_fault()
{
    struct [[gnu::packed]] {
        u16 limit;
        u64 base;
    } const nothing{};
    asm volatile("lidt %0; ud2" ::"m"(nothing));
}

void crash()
{
    for (u32 i = 0; i < 5; ++i)
        wrmsr(msr::crash_p0 + i, 0xC0DE + i);
    wrmsr(msr::crash_ctl, crash_notify);
}

/// Whether the word is `name`; then what follows it.
char const* after(char const* word, char const* name)
{
    while (*name && *word == *name) {
        ++word;
        ++name;
    }
    return !*name && (!*word || *word == ' ' || *word == ':') ? word : nullptr;
}

bool end(char const* word)
{
    if (auto const* const rest = after(word, "exit")) exit_machine(static_cast<u32>(Arguments{rest}.number()));
    if (after(word, "power-off"))
        out16(power_control, 5u << 10 | 1u << 13);
    else if (after(word, "reset"))
        out8(reset_control, 6);
    else if (after(word, "triple-fault"))
        triple_fault();
    else if (after(word, "crash"))
        crash();
    else if (after(word, "halt"))
        halt();
    else
        return false;
    return true;
}

bool communicate(char const* word)
{
    char const* rest = nullptr;
    if (after(word, "id")) {
        print("partition ", own_partition_id(), "\n");
    } else if (after(word, "synic")) {
        enable_synic();
    } else if ((rest = after(word, "port")) != nullptr) {
        Arguments arguments{rest};
        make_port(self_partition, arguments);
    } else if ((rest = after(word, "port-in")) != nullptr) {
        Arguments arguments{rest};
        auto const owner = arguments.number();
        make_port(owner, arguments);
    } else if ((rest = after(word, "connect")) != nullptr) {
        Arguments arguments{rest};
        connect(arguments);
    } else if ((rest = after(word, "monitor-ports")) != nullptr) {
        make_monitor_ports(Arguments{rest}.number());
    } else if ((rest = after(word, "monitor")) != nullptr) {
        connect_monitor(Arguments{rest}.number());
    } else if ((rest = after(word, "register-of")) != nullptr) {
        read_register(Arguments{rest}.number());
    } else if (after(word, "arm")) {
        monitor_page(page).trigger_state = 1;
    } else if (after(word, "post")) {
        say("post", post_message(connection, 1, 0));
    } else if (after(word, "post-until-refused")) {
        post_until_refused();
    } else if (after(word, "take")) {
        print(wait_for_message(sint) ? "took a message\n" : "no message\n");
        release_slot(sint);
    } else {
        return false;
    }
    return true;
}

bool talk(char const* word)
{
    char const* rest = nullptr;
    if ((rest = after(word, "say")) != nullptr || (rest = after(word, "print")) != nullptr) {
        Arguments{rest}.print_text();
        if (*word == 's') write('\n');
    } else if ((rest = after(word, "flood")) != nullptr) {
        for (auto lines = Arguments{rest}.number(); lines > 0; --lines)
            print("line ", lines, " of a great many that nobody may ever read\n");
    } else if ((rest = after(word, "await")) != nullptr) {
        await(Arguments{rest});
    } else if (after(word, "await-power-button")) {
        await_power_button();
    } else if (after(word, "generation")) {
        tell_generation();
    } else if (after(word, "await-generation")) {
        await_generation();
    } else if (after(word, "time")) {
        tell_time();
    } else if (after(word, "rtc")) {
        tell_rtc();
    } else if ((rest = after(word, "tick")) != nullptr) {
        tick(Arguments{rest}.number());
    } else {
        return false;
    }
    return true;
}

} // namespace

u32 guest_main()
{
    enable_hypercalls();
    for (auto const* word = command_line(); *word;) {
        if (!talk(word) && !communicate(word) && !end(word)) {
            print("what does this mean: ", word, "\n");
            return 60;
        }
        while (*word && *word != ' ')
            ++word;
        while (*word == ' ')
            ++word;
    }
    halt();
}
