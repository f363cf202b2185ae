#include "bench/child_copy.hpp"

#include "bench/delivery.hpp"
#include "bench/measure.hpp"
#include "hyperv/halting.hpp"
#include "parent/child.hpp"
#include "runtime/console.hpp"

extern "C" {
extern guest::u8 image_end[];
void pvh_entry();
}

namespace guest {

namespace {

using hv::Status;

constexpr u64 mebibyte = u64{1} << 20;
constexpr u64 image_begin = mebibyte;
constexpr u64 memory = 32 * mebibyte; ///< of the copy
constexpr u64 memory_size = 8 * mebibyte;
constexpr u64 kept = memory + memory_size;

/// HV_PARTITION_SYNTHETIC_PROCESSOR_FEATURES (Linux, include/hyperv/hvhdk.h): TIME_REF_COUNT, SynIC, timers,
/// hypercall MSRs, VP_INDEX, REFERENCE_TSC, frequencies, direct timers, cluster IPIs.
constexpr u64 features = 1u << 3 | 1u << 4 | 1u << 5 | 1u << 7 | 1u << 8 | 1u << 9 | 1u << 11 | 1u << 22;

/// Xen public/arch-x86/hvm/start_info.h.
struct StartInfo {
    u32 magic = 0x336E'C578, version = 0, flags = 0, modules = 0;
    u64 module_list = 0, command_line = 0, rsdp = 0;
};
constexpr u64 start_info = 0x6000;
constexpr u64 words = 0x6100;

u64 image_size()
{
    return reinterpret_cast<u64>(image_end) - image_begin;
}

u8* at(u64 address)
{
    return reinterpret_cast<u8*>(address);
}

void fill_memory(u32 processors)
{
    for (u64 page = 0; page < memory_size; page += page_size)
        reinterpret_cast<Page*>(memory + page)->fill(0);
    memcpy(at(memory + image_begin), at(kept), image_size());
    StartInfo info;
    info.command_line = words;
    memcpy(at(memory + start_info), &info, sizeof info);
    char line[] = "child=1 cpus=N";
    line[sizeof line - 2] = static_cast<char>('0' + processors);
    memcpy(at(memory + words), line, sizeof line);
}

bool give_memory(u64 partition)
{
    constexpr u32 large_pages = 1u << 31;
    constexpr u64 large_page = 512;
    u64 const header[] = {partition, 0, access::all | large_pages};
    ListCall list{header};
    for (u64 page = 0; page < memory_size / page_size; page += large_page)
        list.add(memory / page_size + page);
    return hv::status(list.reps(hv::call::map_gpa_pages)) == Status::Success;
}

/// As docs/misc/pvh.pandoc of Xen says.
bool set_begin(Child const& child)
{
    constexpr u64 flat = 0xFFFF'FFFF;
    constexpr u64 code = flat | u64{0xC09B} << 48;
    constexpr u64 data = flat | u64{0xC093} << 48;
    constexpr u64 task = 0x67 | u64{0x008B} << 48;
    bool well = set_register(0, reg::cs, {0, code}, child.id()) == Status::Success &&
                set_register(0, reg::tr, {0, task}, child.id()) == Status::Success;
    constexpr u32 segments[] = {reg::ds, reg::es, reg::ss};
    for (auto const name : segments)
        well = well && set_register(0, name, {0, data}, child.id()) == Status::Success;
    return well && child.set(reg::cr0, 0x11) == Status::Success && child.set(reg::rflags, 2) == Status::Success &&
           child.set(reg::rbx, start_info) == Status::Success &&
           child.set(reg::rip, reinterpret_cast<u64>(pvh_entry)) == Status::Success;
}

/// Answers its ports until it ends; whether that was well.
bool serve(Child const& child)
{
    constexpr u16 serial = 0x3F8;
    constexpr u16 debug_exit = 0xF4;
    constexpr u32 longest_ms = 30'000;
    for (;;) {
        if (!halt_until([] { return load(slot(0).type) != message_none; }, longest_ms)) return false;
        auto const told = next_intercept();
        if (told.type != message::io_port) return false;
        auto const port = told.as<IoPortMessage>();
        bool const is_write = port.header.access != 0;
        if (is_write && port.port == debug_exit) return static_cast<u32>(port.rax) == 0;
        if (is_write && port.port == serial) write(static_cast<char>(port.rax));
        auto const vp = port.header.vp_index;
        if (!is_write && child.set(reg::rax, 0xFF, vp) != Status::Success) return false;
        if (!child.resume_at(port.header.rip + port.header.length(), vp)) return false;
    }
}

} // namespace

void keep_image()
{
    memcpy(at(kept), at(image_begin), image_size());
}

void run_copy(u32 processors)
{
    Synic const synic;
    start_ticking();
    on_interrupt(measured_vector, plain_handler);
    set_sint(0, measured_vector);
    fill_memory(processors);
    Child const child{creation::exo | creation::local_apic, {processor_features, features}};
    bool well = child.ready() && give_memory(child.id());
    for (u32 i = 0; i < processors; ++i)
        well = well && child.create_vp(i) == Status::Success;
    well = well && set_begin(child);
    for (u32 i = 0; i < processors; ++i)
        well = well && child.run(i);
    if (!well || !serve(child)) report_failed("copy of the program in a child");
    (void)take_all_children_apart();
    enable_interrupts();
    on_interrupt(measured_vector, nullptr);
}

} // namespace guest
