// Accesses to memory that is not there yet, in every way that a processor reaches it: the parent maps it, and the
// child goes on as if it had been there.
#include "hyperv/synic.hpp"
#include "parent/child.hpp"

using namespace guest;
using namespace guest::hv;

TEST(touching, a_write_across_two_pages, "2.0a 8.1.1, 9.1.1, 16.3.1")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    static constexpr u8 code[] = {
        0x66, 0xC7, 0x06, 0xFE, 0x7F, 0x78, 0x56, 0x34, 0x12, // mov dword [0x7FFE], 0x12345678
        0xE6, 0x82,                                           // out 0x82, al
    };
    CHECK(child.load(code));
    auto& lower = spare_page(Child::first_page + 1);
    auto& upper = spare_page(Child::first_page + 2);
    lower.fill(0);
    upper.fill(0);
    CHECK_STATUS(status(child.map(7, Child::first_page + 1, 1)), Status::Success);
    CHECK(child.run());
    auto const write = next_intercept();
    CHECK_EQ(write.type, message::unmapped_gpa);
    auto const told = write.as<MemoryMessage>();
    CHECK_EQ(told.gpa, 0x8000);
    CHECK_EQ(told.header.rip, start);
    CHECK_EQ(told.header.length(), 9);
    CHECK_STATUS(status(child.map(8, Child::first_page + 2, 1)), Status::Success);
    CHECK(child.resume());
    CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x82);
    CHECK_EQ(lower.bytes[page_size - 2], 0x78);
    CHECK_EQ(lower.bytes[page_size - 1], 0x56);
    CHECK_EQ(upper.bytes[0], 0x34);
    CHECK_EQ(upper.bytes[1], 0x12);
}

TEST(touching, a_copy_from_nowhere, "2.0a 8.1.1, 9.1.1")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    constexpr u32 words = 1500; // more than KVM does before it enters the guest again
    static constexpr u8 code[] = {
        0xBE, 0x00,        0x80,        // mov si, 0x8000
        0xBF, 0x02,        0x80,        // mov di, 0x8002
        0xB9, words % 256, words / 256, // mov cx, words
        0xBB, 0x00,        0x07,        // mov bx, 0x0700
        0x8E, 0xC3,                     // mov es, bx
        0xFC,                           // cld
        0xF3, 0xA5,                     // rep movsw
        0xE6, 0x83,                     // out 0x83, al
    };
    CHECK(child.load(code));
    auto& copy = spare_page(Child::first_page + 1);
    copy.fill(0);
    CHECK_STATUS(status(child.map(15, Child::first_page + 1, 1)), Status::Success); // ES:DI is 0xF002
    CHECK(child.run());
    auto const read = next_intercept();
    CHECK_EQ(read.type, message::unmapped_gpa);
    auto const told = read.as<MemoryMessage>();
    CHECK_EQ(told.gpa, 0x8000);
    CHECK_EQ(told.header.access, 0); // read
    CHECK_EQ(told.header.rip, start + 15);
    CHECK_EQ(child.get(reg::rcx), words);

    auto& original = spare_page(Child::first_page + 2);
    for (u32 i = 0; i < page_size; ++i)
        original.bytes[i] = static_cast<u8>(i * 7 + i / 256);
    CHECK_STATUS(status(child.map(8, Child::first_page + 2, 1)), Status::Success);
    CHECK(child.resume());
    CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x83);
    CHECK_EQ(child.get(reg::rcx), 0);
    u32 wrong = 0;
    for (u32 i = 0; i < 2 * words; ++i)
        wrong += copy.bytes[2 + i] == original.bytes[i] ? 0 : 1;
    CHECK_EQ(wrong, 0);
    CHECK_EQ(copy.bytes[2 + 2 * words], 0);
}

TEST(touching, a_stack_that_is_nowhere, "2.0a 8.1.1, 9.1.1")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    static constexpr u8 code[] = {
        0xB8, 0x34, 0x12, // mov ax, 0x1234
        0xBC, 0x00, 0x80, // mov sp, 0x8000
        0x50,             // push ax
        0xBC, 0x00, 0x90, // mov sp, 0x9000
        0xE8, 0x02, 0x00, // call onward
        0xE6, 0x85,       // out 0x85, al
        0xE6, 0x84,       // onward: out 0x84, al
        0xC3,             // ret
    };
    CHECK(child.load(code));
    CHECK(child.run());
    auto& first = spare_page(Child::first_page + 1);
    auto& second = spare_page(Child::first_page + 2);
    first.fill(0);
    second.fill(0);

    auto const push = next_intercept().as<MemoryMessage>();
    CHECK_EQ(push.gpa, 0x7FFE);
    CHECK_EQ(push.header.rip, start + 6);
    CHECK_EQ(push.header.length(), 1);
    CHECK_EQ(child.get(reg::rsp), 0x8000);
    CHECK_STATUS(status(child.map(7, Child::first_page + 1, 1)), Status::Success);
    CHECK(child.resume());

    auto const called = next_intercept().as<MemoryMessage>();
    CHECK_EQ(first.bytes[page_size - 2], 0x34);
    CHECK_EQ(first.bytes[page_size - 1], 0x12);
    CHECK_EQ(called.gpa, 0x8FFE);
    CHECK_EQ(called.header.rip, start + 10);
    CHECK_EQ(called.header.length(), 3);
    CHECK_EQ(child.get(reg::rsp), 0x9000);
    CHECK_STATUS(status(child.map(8, Child::first_page + 2, 1)), Status::Success);
    CHECK(child.resume());
    CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x84);
    CHECK(child.resume_at(start + 17));
    CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x85); // where it was called from
}
