// What a parent pays for its partitions: making one and taking it apart, giving it memory, and dealing with what its
// processor cannot do by itself.
#include "bench/child_copy.hpp"
#include "bench/delivery.hpp"
#include "bench/groups.hpp"
#include "bench/measure.hpp"
#include "hyperv/halting.hpp"
#include "parent/child.hpp"
#include "runtime/console.hpp"
#include "runtime/start_info.hpp"

namespace guest {

namespace {

using hv::Status;

constexpr u32 pages_for_one = 48;
constexpr u32 lives = 41;
constexpr u32 most_others = 255;
constexpr u32 few_rounds = 21;

/// Pages of its own for each, one behind the other.
bool make(u64& partition, u32 number)
{
    auto const made = create_partition({.flags = creation::exo});
    partition = made.partition;
    ListCall list{partition};
    for (u32 i = 0; i < pages_for_one; ++i)
        list.add(spare_memory / page_size + number * pages_for_one + i);
    struct {
        u64 partition;
        u32 index, reserved;
        u64 subnode, proximity, flags;
    } const processor{partition, 0, 0, 0, 0, 0};
    return made.status == Status::Success && hv::status(list.reps(hv::call::deposit_memory)) == Status::Success &&
           initialize_partition(partition) == Status::Success &&
           hv::call_with(hv::call::create_vp, processor) == Status::Success;
}

bool take_apart(u64 partition)
{
    return finalize_partition(partition) == Status::Success &&
           hv::status(withdraw(partition, pages_for_one)) == Status::Success &&
           delete_partition(partition) == Status::Success;
}

u64 life(u32 number)
{
    u64 partition = no_partition;
    bool well = false;
    auto const cycles = timed([&] { well = make(partition, number) && take_apart(partition); })();
    return well ? cycles : 0;
}

void lives_of_children()
{
    static u64 values[lives];
    for (auto& value : values)
        value = life(0);
    report_values("child_create_destroy", values, lives);
}

u64 map_pages(Child const& child, u64 base, u32 count)
{
    u64 const header[] = {child.id(), base, access::all};
    ListCall list{header};
    for (u32 i = 0; i < count; ++i)
        list.add(spare_memory / page_size + base + i);
    u64 result{};
    auto const cycles = timed([&] { result = list.reps(hv::call::map_gpa_pages); })();
    return hv::status(result) == Status::Success ? cycles : 0;
}

constexpr u32 mapped_pages = 512;

u64 map_large_page(Child const& child)
{
    constexpr u32 large = 1u << 31;
    u64 const header[] = {child.id(), 0, access::all | large};
    ListCall list{header};
    list.add(spare_memory / page_size);
    u64 result{};
    auto const cycles = timed([&] { result = list.reps(hv::call::map_gpa_pages); })();
    bool const unmapped = hv::status(child.unmap(0, mapped_pages)) == Status::Success;
    return hv::status(result) == Status::Success && unmapped ? cycles : 0;
}

/// A list has room for 509.
u64 map_small_pages(Child const& child)
{
    constexpr u32 count = mapped_pages;
    constexpr u32 of_one_list = 509;
    auto const first = map_pages(child, 0, of_one_list);
    auto const rest = map_pages(child, of_one_list, count - of_one_list);
    bool const unmapped = hv::status(child.unmap(0, count)) == Status::Success;
    return first != 0 && rest != 0 && unmapped ? first + rest : 0;
}

/// Sets two registers of the child's, as a parent does that has dealt with an intercept.
Status set_both(Child const& child, u32 first_name, u64 first, u32 second_name, u64 second)
{
    struct Element {
        u32 name, padding[3];
        RegisterValue value;
    };
    struct {
        RegisterHeader header;
        Element elements[2];
    } const input{{child.id(), 0, 0}, {{first_name, {}, {first, 0}}, {second_name, {}, {second, 0}}}};
    return hv::call_with(hv::call::set_vp_registers | hv::rep_count(2), input);
}

void intercept_handler()
{
    release_slot(0);
    handled_at = rdtsc();
}

/// The child's OUT, from the call that has it go on until the parent has read what it was.
u64 out_and_back(Child const& child, Page const& shown)
{
    handled_at = 0;
    auto const from = rdtsc();
    if (set_both(child, reg::rip, start, reg::intercept_suspend, 0) != Status::Success) return 0;
    if (!halt_until([] { return handled_at != 0; }, patience_ms)) return 0;
    auto const& told = *reinterpret_cast<Message const volatile*>(shown.bytes);
    bool const is_port = load(told.type) == message::io_port;
    auto const to = rdtsc();
    return is_port ? to - from : 0;
}

void intercepts()
{
    Synic const synic;
    start_ticking();
    Child const child{creation::exo | creation::intercept_page};
    static constexpr u8 code[] = {0xE6, 0x80}; // out 0x80, al
    auto& shown = spare_page(Child::first_page + 1);
    MapStatePageInput const place{child.id(), 0, 1, 0, 1, gpa(&shown) / page_size};
    bool const is_loaded = child.load(code);
    ListCall const show{place};
    bool const is_shown = is_loaded && hv::status(hv::hypercall(hv::call::map_vp_state_page, gpa(&ListCall::page()),
                                                                gpa(&ListCall::output()))) == Status::Success;
    on_interrupt(measured_vector, intercept_handler);
    set_sint(0, measured_vector);
    handled_at = 0;
    bool const began = is_shown && child.run() && halt_until([] { return handled_at != 0; }, patience_ms);
    report("child_set_registers", [&]() -> u64 {
        bool well = false;
        auto const cycles =
            timed([&] { well = set_both(child, reg::rip, start, reg::rip, start) == Status::Success; })();
        return well ? cycles : 0;
    });
    report("child_io_intercept", [&]() -> u64 { return began ? out_and_back(child, shown) : 0; });
    on_interrupt(measured_vector, nullptr);
    enable_interrupts();
}

} // namespace

void with_children()
{
    keep_image(); // before anything else
    hv::enable_hypercalls();
    if (!hv::offered(hv::feature::create_partitions)) {
        return skip_each(hv::feature::create_partitions.text, "child_create_destroy", "map_gpa_512_pages",
                         "map_gpa_512_small_pages", "child_set_registers", "child_io_intercept",
                         "child_stimer_message", "child_stimer_direct", "child_stimer_direct_halted",
                         "child_ipi_icr");
    }
    lives_of_children();
    {
        Child const child;
        report(
            "map_gpa_512_pages", [&child] { return map_large_page(child); }, few_rounds);
        report(
            "map_gpa_512_small_pages", [&child] { return map_small_pages(child); }, few_rounds);
    }
    (void)take_all_children_apart();
    intercepts();
    (void)take_all_children_apart();
    run_copy(1);
    run_copy(2);
}

void lives_beside(u32 others)
{
    static u64 partitions[most_others];
    u32 made = 0;
    while (made < others && made < most_others && make(partitions[made], made + 1))
        ++made;
    if (made < others) return report_failed("child_create_destroy");
    lives_of_children();
}

void as_child()
{
    begin_names_with("child_");
    hv::enable_hypercalls();
    if (numeric_option("cpus") > 1)
        interrupt_between_processors();
    else
        timers();
}

} // namespace guest
