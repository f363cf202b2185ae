// A child that is a parent itself: a copy of this very program, which goes on in the child with another function.
#include "hyperv/synic.hpp"
#include "parent/child.hpp"
#include "runtime/clock.hpp"
#include "runtime/cpu.hpp"

using namespace guest;
using namespace guest::hv;

extern "C" guest::u8 image_begin[];
extern "C" guest::u8 image_end[];

namespace {

constexpr u16 report_port = 0x80;
constexpr u32 all_is_well = 0x600D;
constexpr u64 copy_at = u64{32} << 20; ///< RAM that nobody uses

/// What this guest may, as CPUID has it.
u64 own_privileges()
{
    auto const leaf = cpuid(leaf_features);
    return u64{leaf.ebx} << 32 | leaf.eax;
}

void report(u32 what)
{
    out32(report_port, what);
}

void make_copy()
{
    memcpy(reinterpret_cast<void*>(copy_at), image_begin, static_cast<std::size_t>(image_end - image_begin));
}

/// Has the child see the copy where the original is here.
bool show_copy(Child const& child)
{
    constexpr u64 most = 256;
    u64 const begin = gpa(image_begin) / page_size;
    u64 const count = (gpa(image_end) - gpa(image_begin)) / page_size;
    for (u64 done = 0; done < count; done += most) {
        auto const now = static_cast<u32>(count - done < most ? count - done : most);
        if (status(child.map_page_numbers(begin + done, copy_at / page_size + done, now)) != Status::Success)
            return false;
    }
    return true;
}

struct [[gnu::packed]] TableRegister {
    u16 limit;
    u64 base;
};

/// The registers that a processor has in long mode, as this one has them.
bool enter_as_this_one(Child const& child, void (*function)())
{
    constexpr u64 limit = 0xFFFF'FFFF;
    constexpr u64 code = u64{0xA09B} << 48 | u64{GUEST_CODE64} << 32 | limit; // long mode, present, code
    constexpr u64 data = u64{0xC093} << 48 | u64{GUEST_DATA} << 32 | limit;
    constexpr u32 efer_msr = 0xC000'0080;
    TableRegister gdt;
    TableRegister idt;
    u64 cr0{};
    u64 cr4{};
    u64 stack{};
    asm volatile("sgdt %0; sidt %1" : "=m"(gdt), "=m"(idt));
    asm volatile("movq %%cr0, %0; movq %%cr4, %1; movq %%rsp, %2" : "=r"(cr0), "=r"(cr4), "=r"(stack));
    struct {
        u32 name;
        RegisterValue value;
    } const registers[] = {
        {reg::cs, {0, code}}, // in the order in which Cloud Hypervisor has them, which is not the processor's
        {reg::ss, {0, data}},
        {reg::gdtr, {u64{gdt.limit} << 48, gdt.base}},
        {reg::idtr, {u64{idt.limit} << 48, idt.base}},
        {reg::cr0, {cr0, 0}},
        {reg::cr3, {read_cr3(), 0}},
        {reg::cr4, {cr4, 0}},
        {reg::efer, {rdmsr(efer_msr), 0}},
        {reg::rsp, {((stack - 0x1000) & ~u64{15}) - 8, 0}}, // as behind a call
        {reg::rip, {reinterpret_cast<u64>(function), 0}},
        {reg::rflags, {2, 0}},
    };
    for (auto const& [name, value] : registers) {
        note_position(name);
        if (child.set(name, value) != Status::Success) return false;
    }
    return true;
}

/// Makes a child of the child, which writes to a port; in the child. What was wrong, or all_is_well.
u32 have_a_child()
{
    enable_hypercalls();
    Synic const synic;
    static constexpr u8 code[] = {
        0xB0, 0x5A,       // mov al, 0x5A
        0xE6, 0x70,       // out 0x70, al
        0xA2, 0x00, 0x70, // mov [0x7000], al
        0xF4,             // hlt
    };
    Child const grandchild;
    if (!grandchild.ready()) return 1;
    if (!grandchild.load(code) || !grandchild.run()) return 2;
    auto const out = next_intercept();
    if (out.type != message::io_port || out.partition != grandchild.id()) return 3;
    auto const port = out.as<IoPortMessage>();
    if (port.port != 0x70 || port.header.rip != start + 2 || (port.rax & 0xFF) != 0x5A) return 4;

    if (!grandchild.resume_at(start + 4)) return 5;
    auto const write = next_intercept();
    if (write.type != message::unmapped_gpa || write.as<MemoryMessage>().gpa != 0x7000) return 6;
    auto& page = spare_page(Child::first_page + 1);
    page.fill(0);
    if (status(grandchild.map(7, Child::first_page + 1, 1)) != Status::Success) return 7;
    if (!grandchild.resume()) return 8;
    if (next_intercept().type != message::halt) return 9;
    if (page.bytes[0] != 0x5A) return 10;
    return take_all_children_apart() == 1 ? all_is_well : 11;
}

void act_as_parent()
{
    report(have_a_child());
}

/// Leaves a child of its own running.
void act_as_careless_parent()
{
    enable_hypercalls();
    Synic const synic;
    static constexpr u8 code[] = {
        0xFE, 0x06, 0x00, 0x1F, // inc byte [0x1F00]
        0xEB, 0xFA,             // jmp to it
    };
    Child const grandchild;
    bool const runs = grandchild.ready() && grandchild.load(code) && grandchild.run();
    report(runs ? all_is_well : 1);
}

/// A child that has gone so far as to report.
u32 reported(Child const& child, void (*function)())
{
    if (!child.ready() || !show_copy(child) || child.create_vp() != Status::Success) return 101;
    if (!enter_as_this_one(child, function) || !child.run()) return 102;
    auto const told = next_intercept();
    if (told.type != message::io_port) return 103;
    auto const port = told.as<IoPortMessage>();
    return port.port == report_port ? static_cast<u32>(port.rax) : 104;
}

} // namespace

TEST(nesting, a_child_is_a_parent, "2.0a 5.2, 5.6.1, 9.1.1")
{
    NEEDS_RUNNING_CHILDREN();
    make_copy();
    Child const child{creation::exo | creation::local_apic, {privilege_flags, own_privileges()}};
    CHECK_EQ(reported(child, act_as_parent), all_is_well);
}

TEST(nesting, a_grandchild_ends_with_its_parent, "2.0a 5.4")
{
    NEEDS_RUNNING_CHILDREN();
    for (u32 round = 0; round < 3; ++round) {
        note_position(round);
        make_copy();
        {
            Child const child{creation::exo | creation::local_apic, {privilege_flags, own_privileges()}};
            CHECK_EQ(reported(child, act_as_careless_parent), all_is_well);
        }
        CHECK_EQ(take_all_children_apart(), 1);
    }
}

TEST(nesting, a_grandchild_has_only_what_its_parent_has, "2.0a 8.1")
{
    NEEDS_RUNNING_CHILDREN();
    make_copy();
    Child const child{creation::exo | creation::local_apic, {privilege_flags, own_privileges()}};
    CHECK_EQ(reported(child, act_as_careless_parent), all_is_well);
    auto const page = gpa(&spare_page(Child::first_page)) / page_size;
    auto const* const counter = reinterpret_cast<u8 const volatile*>(copy_at + gpa(&spare_page(Child::first_page)) -
                                                                     gpa(image_begin) + 0xF00);
    CHECK(wait_until([&] { return *counter > 2; }));
    CHECK_STATUS(status(child.unmap(page, 1)), Status::Success);
    auto const after = *counter;
    for (u32 i = 0; i < 1'000'000; ++i)
        relax();
    CHECK_EQ(*counter, after);
}
