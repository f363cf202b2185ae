// Children that execute: their VPs, their memory and their intercepts.
#include "hyperv/synic.hpp"
#include "parent/child.hpp"
#include "runtime/cpu.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 access_read = 0;
constexpr u32 access_write = 1;
constexpr u32 access_execute = 2;

} // namespace

TEST(running, a_child_of_one_page, "2.0a 9.1, 10.4.1, 16.5.3")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    CHECK(child.ready());
    static constexpr u8 code[] = {
        0xB0, 0x5A,       // mov al, 0x5A
        0xE6, 0x80,       // out 0x80, al
        0xBA, 0xF8, 0x03, // mov dx, 0x3F8
        0x66, 0xED,       // in eax, dx
        0x66, 0xEF,       // out dx, eax
        0xF4,             // hlt
        0xEE,             // out dx, al
    };
    CHECK(child.load(code));
    CHECK(no_intercept()); // it is suspended as it is made
    CHECK(child.run());

    auto const out = next_intercept();
    CHECK_EQ(out.type, message::io_port);
    CHECK_EQ(out.payload_size, sizeof(IoPortMessage));
    CHECK_EQ(out.partition, child.id());
    auto const first = out.as<IoPortMessage>();
    CHECK_EQ(first.header.vp_index, 0);
    CHECK_EQ(first.header.rip, start + 2);
    CHECK_EQ(first.header.length(), 2);
    CHECK_EQ(first.header.access, access_write);
    CHECK_EQ(first.header.cs_base, 0);
    CHECK_EQ(first.header.execution_state & 0x1F, 0); // real mode
    CHECK_EQ(first.port, 0x80);
    CHECK_EQ(first.access_info, 1);
    CHECK_EQ(first.rax & 0xFF, 0x5A);
    CHECK_EQ(first.bytes[0], 0xE6);
    CHECK_EQ(child.get(reg::intercept_suspend), 1);
    CHECK_EQ(child.get(reg::rip), start + 2); // as before the instruction
    CHECK_STATUS(child.set(reg::intercept_suspend, 2), Status::InvalidRegisterValue);

    CHECK(child.resume()); // it is executed again
    auto const again = next_intercept().as<IoPortMessage>();
    CHECK_EQ(again.header.rip, start + 2);
    CHECK(child.resume_at(start + 4));

    auto const in = next_intercept();
    CHECK_EQ(in.type, message::io_port);
    auto const second = in.as<IoPortMessage>();
    CHECK_EQ(second.header.rip, start + 7);
    CHECK_EQ(second.header.length(), 2);
    CHECK_EQ(second.header.access, access_read);
    CHECK_EQ(second.port, 0x3F8);
    CHECK_EQ(second.access_info, 4);
    CHECK_EQ(child.get(reg::rax) & 0xFF, 0x5A);
    CHECK_STATUS(child.set(reg::rax, 0x1234'5678), Status::Success);
    CHECK(child.resume_at(start + 9));

    auto const third = next_intercept().as<IoPortMessage>();
    CHECK_EQ(third.header.rip, start + 9);
    CHECK_EQ(third.rax, 0x1234'5678);
    CHECK(child.resume_at(start + 11));

    auto const halt = next_intercept();
    CHECK_EQ(halt.type, message::halt);
    CHECK_EQ(halt.payload_size, sizeof(InterceptHeader));
    CHECK_EQ(halt.as<InterceptHeader>().rip, start + 12);
    CHECK(child.resume());
    CHECK_EQ(next_intercept().as<IoPortMessage>().header.rip, start + 12);
    CHECK_STATUS(child.delete_vp(), Status::Success);
    CHECK_STATUS(child.delete_vp(), Status::InvalidVpIndex);
}

TEST(running, string_io, "2.0a 16.2.4, 16.5.3")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    static constexpr u8 code[] = {
        0xBE, 0x00, 0x1E, // mov si, 0x1E00
        0xBF, 0x00, 0x1F, // mov di, 0x1F00
        0xB9, 0x03, 0x00, // mov cx, 3
        0xBA, 0x10, 0x00, // mov dx, 0x10
        0xF3, 0x6E,       // rep outsb
        0xF3, 0x6C,       // rep insb
    };
    CHECK(child.load(code));
    CHECK(child.run());
    auto const out = next_intercept().as<IoPortMessage>();
    CHECK_EQ(out.header.rip, start + 12);
    CHECK_EQ(out.header.length(), 2);
    CHECK_EQ(out.access_info, 1 | 8 | 16);
    CHECK_EQ(out.rcx, 3);
    CHECK_EQ(out.rsi, 0x1E00);
    CHECK_EQ(child.get(reg::rcx), 3);
    CHECK_STATUS(child.set(reg::rcx, 2), Status::Success);
    CHECK(child.resume_at(start + 14));
    auto const in = next_intercept().as<IoPortMessage>();
    CHECK_EQ(in.header.rip, start + 14);
    CHECK_EQ(in.header.access, access_read);
    CHECK_EQ(in.access_info, 1 | 8 | 16);
    CHECK_EQ(in.rcx, 2);
    CHECK_EQ(in.rdi, 0x1F00);
}

TEST(running, unmapped_memory, "2.0a 8.1.1, 16.3.1")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    static constexpr u8 code[] = {
        0xA1, 0x08, 0x80,             // mov ax, [0x8008]
        0xE7, 0x80,                   // out 0x80, ax
        0xC7, 0x06, 0x10, 0x80, 1, 2, // mov word [0x8010], 0x0201
        0xFF, 0x06, 0x08, 0x80,       // inc word [0x8008]
        0xE7, 0x81,                   // out 0x81, ax
    };
    CHECK(child.load(code));
    CHECK(child.run());
    auto const read = next_intercept();
    CHECK_EQ(read.type, message::unmapped_gpa);
    CHECK_EQ(read.payload_size, sizeof(MemoryMessage));
    auto const first = read.as<MemoryMessage>();
    CHECK_EQ(first.gpa, 0x8008);
    CHECK_EQ(first.header.rip, start);
    CHECK_EQ(first.header.access, access_read);
    CHECK_EQ(first.access_info, 1);
    CHECK_EQ(first.gva, 0x8008);
    CHECK_EQ(first.bytes[0], 0xA1);
    CHECK_EQ(child.get(reg::rip), start);
    CHECK_EQ(child.get(reg::rax), 0);

    auto& data = spare_page(Child::first_page + 1); // the parent maps it, and the access is done again
    data.fill(0);
    data.bytes[8] = 0x34;
    data.bytes[9] = 0x12;
    CHECK_STATUS(status(child.map(8, Child::first_page + 1, 1, access::read)), Status::Success);
    CHECK(child.resume());
    CHECK_EQ(next_intercept().as<IoPortMessage>().rax, 0x1234);
    CHECK(child.resume_at(start + 5));

    auto const write = next_intercept();
    CHECK_EQ(write.type, message::gpa_intercept); // mapped, and not to be written to
    auto const second = write.as<MemoryMessage>();
    CHECK_EQ(second.gpa, 0x8010);
    CHECK_EQ(second.header.access, access_write);
    CHECK_EQ(second.header.rip, start + 5);
    CHECK_EQ(second.header.length(), 6);
    CHECK_EQ(child.get(reg::rip), start + 5);
    CHECK_EQ(data.bytes[16], 0);
    CHECK_STATUS(status(child.map(8, Child::first_page + 1, 1)), Status::Success);
    CHECK(child.resume());
    CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x81); // the increment found its memory
    CHECK_EQ(data.bytes[16], 1);
    CHECK_EQ(data.bytes[17], 2);
    CHECK_EQ(data.bytes[8], 0x35);

    CHECK_STATUS(status(child.unmap(8, 1)), Status::Success);
    CHECK(child.resume_at(start + 11));
    auto const changed = next_intercept();
    CHECK_EQ(changed.type, message::unmapped_gpa);
    CHECK_EQ(changed.as<MemoryMessage>().header.rip, start + 11);
    CHECK_STATUS(status(child.map(8, 0, 1, access::none)), Status::Success);
    CHECK(child.resume());
    CHECK_EQ(next_intercept().type, message::gpa_intercept);
}

TEST(running, a_fetch_from_nowhere, "2.0a 8.1.1, 16.3.1")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    static constexpr u8 code[] = {0xE9, 0xFD, 0x0F}; // jmp 0x2000
    CHECK(child.load(code));
    CHECK(child.run());
    auto const fetch = next_intercept();
    CHECK_EQ(fetch.type, message::unmapped_gpa);
    auto const told = fetch.as<MemoryMessage>();
    CHECK_EQ(told.header.access, access_execute);
    CHECK_EQ(told.header.rip, 2 * page_size);
    CHECK_EQ(told.gpa, 2 * page_size);
    auto& page = spare_page(Child::first_page + 1);
    page.bytes[0] = 0xE6; // out 0x42, al
    page.bytes[1] = 0x42;
    CHECK_STATUS(status(child.map(2, Child::first_page + 1, 1)), Status::Success);
    CHECK(child.resume());
    CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x42);
}

TEST(running, a_child_is_stopped, "2.0a 10.1.3, 10.3.1")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    static constexpr u8 code[] = {0x40, 0xEB, 0xFD}; // inc ax; jmp back
    CHECK(child.load(code));
    CHECK_EQ(child.get(reg::explicit_suspend), 1);
    CHECK(child.run());
    auto const before = child.get(reg::rax);
    for (u32 look = 0; child.get(reg::rax) == before; ++look)
        CHECK(look < 1'000'000);
    CHECK_STATUS(child.set(reg::explicit_suspend, 1), Status::Success);
    auto const stopped = child.get(reg::rax);
    for (u32 look = 0; look < 100; ++look)
        CHECK_EQ(child.get(reg::rax), stopped);
    CHECK(child.run());
    for (u32 look = 0; child.get(reg::rax) == stopped; ++look)
        CHECK(look < 1'000'000);
    CHECK_STATUS(child.delete_vp(), Status::Success); // while it runs
    CHECK_STATUS(child.create_vp(), Status::Success);
    CHECK_EQ(child.get(reg::rax), 0); // as after a reset
    CHECK_EQ(child.get(reg::rip), 0xFFF0);
    CHECK_EQ(child.get(reg::explicit_suspend), 1);
}

TEST(running, the_intercept_message_page, "online, HvCallMapVpStatePage; Linux, hvhdk.h")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child{creation::exo | creation::intercept_page};
    static constexpr u8 code[] = {0xE6, 0x21}; // out 0x21, al
    CHECK(child.load(code));
    auto& page = spare_page(Child::first_page + 1);
    page.fill(0x77);
    MapStatePageInput input{child.id(), 0, 1, 0, 1, gpa(&page) / page_size};
    auto const show = [&] {
        ListCall const call{input};
        return status(hypercall(call::map_vp_state_page, gpa(&ListCall::page()), gpa(&ListCall::output())));
    };
    input.flags = 0;
    CHECK_STATUS(show(), Status::InvalidParameter);
    input.flags = 1;
    CHECK_STATUS(show(), Status::Success);
    CHECK_EQ(ListCall::out<u64>(0), input.location);
    CHECK_STATUS(show(), Status::InvalidVpState);
    CHECK(page.holds_only(0));
    CHECK_STATUS(status(deposit_page(child.id(), input.location)), Status::ObjectInUse);
    CHECK(child.run());
    auto const told = next_intercept();
    CHECK_EQ(told.type, message::opaque);
    CHECK_EQ(told.partition, child.id());
    CHECK_EQ(told.payload[0] & 0xFFFF'FFFF, 0); // the VP's index
    Message shown;
    memcpy(&shown, page.bytes, sizeof shown);
    CHECK_EQ(shown.type, message::io_port);
    CHECK_EQ(shown.origin, child.id());
    IoPortMessage port;
    memcpy(&port, shown.payload, sizeof port);
    CHECK_EQ(port.port, 0x21);
    struct {
        u64 partition, vp_and_type;
    } const hide{child.id(), u64{1} << 32};
    CHECK_STATUS(call_with(call::unmap_vp_state_page, hide), Status::Success);
    CHECK_STATUS(call_with(call::unmap_vp_state_page, hide), Status::InvalidVpState);
    CHECK(page.holds_only(0x77));
}

TEST(running, installed_intercepts, "2.0a 9.1.1, 9.3.1")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child{0}; // of its ports, only those that are asked for
    static constexpr u8 code[] = {
        0xE4, 0x60, // in al, 0x60
        0xE6, 0x61, // out 0x61, al
        0xE5, 0x61, // in ax, 0x61
    };
    CHECK(child.load(code));
    struct {
        u64 partition;
        u32 access, type;
        u64 parameter;
    } input{child.id(), 1, 0, 0x62};
    CHECK_STATUS(call_with(call::install_intercept, input), Status::Success);
    input.access = 4;
    CHECK_STATUS(call_with(call::install_intercept, input), Status::InvalidParameter);
    input.access = 1;
    input.parameter = 0x1'0000;
    CHECK_STATUS(call_with(call::install_intercept, input), Status::InvalidParameter);
    input.type = 5;
    CHECK_STATUS(call_with(call::install_intercept, input), Status::InvalidParameter);
    CHECK(child.run());
    auto const told = next_intercept().as<IoPortMessage>();
    CHECK_EQ(told.header.rip, start + 4); // a word from 0x61 is one of 0x62 too
    CHECK_EQ(told.rax & 0xFF, 0xFF);      // what nobody answers
}

TEST(running, unrecoverable, "2.0a 16.5.8")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    static constexpr u8 code[] = {
        0x0F, 0x01, 0x1E, 0x00, 0x18, // lidt [0x1800], which is zeroes
        0x0F, 0x20, 0xC0,             // mov eax, cr0
        0x0C, 0x01,                   // or al, 1
        0x0F, 0x22, 0xC0,             // mov cr0, eax
        0xCC,                         // int3
    };
    spare_page(Child::first_page).fill(0);
    CHECK(child.load(code));
    CHECK(child.run());
    CHECK_EQ(next_intercept().type, message::unrecoverable_exception);
}

TEST(running, interrupts_from_the_parent, "2.0a 13.5.1; online, HvCallAssertVirtualInterrupt")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child{creation::exo | creation::local_apic};
    static constexpr u8 code[] = {
        0xFB, 0xF4,       // sti; hlt
        0xE6, 0x80,       // out 0x80, al
        0xEB, 0xFA,       // jmp back
        0xE6, 0x81, 0xCF, // the handler: out 0x81, al; iret
    };
    CHECK(child.load(code));
    constexpr u8 vector = 0x40;
    auto& low = spare_page(Child::first_page + 1);
    low.fill(0);
    low.bytes[4 * vector] = 6;
    low.bytes[4 * vector + 1] = 0x10;
    CHECK_STATUS(status(child.map(0, Child::first_page + 1, 1)), Status::Success);
    CHECK(child.run());
    CHECK(no_intercept()); // it halts, and waits for an interrupt
    struct {
        u64 partition, control, destination;
        u32 vector, reserved;
    } const external{child.id(), 7, 0, vector, 0};
    CHECK_STATUS(call_with(call::assert_virtual_interrupt, external), Status::Success);
    CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x81);
    CHECK(child.resume_at(start + 8));
    CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x80);
}

TEST(running, fifty_children, "2.0a 5.4")
{
    NEEDS_RUNNING_CHILDREN();
    static constexpr u8 code[] = {0xE6, 0x80}; // out 0x80, al
    for (u32 round = 0; round < 50; ++round) {
        note_position(round);
        Child const child{round % 2 == 0 ? creation::exo : creation::exo | creation::local_apic};
        CHECK(child.load(code));
        CHECK(child.run());
        auto const told = next_intercept();
        CHECK_EQ(told.type, message::io_port);
        CHECK_EQ(told.partition, child.id());
        CHECK_EQ(take_all_children_apart(), 1);
    }
}

LAST_TEST(running, leaves_one_running, "2.0a 5.4")
{
    NEEDS_RUNNING_CHILDREN();
    static constexpr u8 code[] = {0xEB, 0xFE};     // jmp to itself
    auto const others = take_all_children_apart(); // what an earlier test has left on purpose
    (void)others;
    Child const child;
    CHECK(child.load(code));
    CHECK(child.run());
}
