// Exceptions and level-triggered interrupts that a parent gives its child.
#include "hyperv/synic.hpp"
#include "parent/child.hpp"

using namespace guest;
using namespace guest::hv;

TEST(interrupts, the_end_of_a_level_triggered_one, "2.0a 13.3.3, 13.5.1; Linux, hvhdk.h")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child{creation::exo | creation::local_apic};
    static constexpr u8 code[] = {
        0x66, 0xB9, 0x0F, 0x08, 0x00, 0x00, // mov ecx, 0x80F: the spurious vector of an x2APIC
        0x66, 0xB8, 0xFF, 0x01, 0x00, 0x00, // mov eax, 0x1FF: the APIC is on
        0x66, 0x31, 0xD2,                   // xor edx, edx
        0x0F, 0x30,                         // wrmsr
        0xFB, 0xF4,                         // sti; hlt
        0xE6, 0x80,                         // out 0x80, al
        0xE6, 0x81,                         // the handler: out 0x81, al
        0x66, 0xB9, 0x0B, 0x08, 0x00, 0x00, // mov ecx, 0x80B: EOI
        0x66, 0x31, 0xC0,                   // xor eax, eax
        0x0F, 0x30,                         // wrmsr
        0xCF,                               // iret
    };
    CHECK(child.load(code));
    constexpr u8 vector = 0x40;
    constexpr u64 handler = start + 21;
    auto& low = spare_page(Child::first_page + 1);
    low.fill(0);
    low.bytes[4 * vector] = handler & 0xFF;
    low.bytes[4 * vector + 1] = handler >> 8;
    CHECK_STATUS(status(child.map(0, Child::first_page + 1, 1)), Status::Success);
    CHECK_STATUS(child.set(reg::apic_base, 0xFEE0'0D00), Status::Success); // x2APIC
    CHECK(child.run());
    CHECK(no_intercept()); // it halts
    constexpr u64 masked = 2;
    constexpr u64 level_triggered = u64{1} << 32;
    struct {
        u64 partition, control, destination;
        u32 vector, reserved;
    } const fixed{child.id(), level_triggered, 0, vector, 0};
    for (u32 i = 0; i < 3; ++i) {
        CHECK_STATUS(call_with(call::assert_virtual_interrupt, fixed), Status::Success);
        CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x81);
        CHECK(child.resume_at(handler + 2));
        auto const end = next_intercept();
        CHECK_EQ(end.type, message::apic_eoi);
        CHECK_EQ(end.partition, child.id());
        CHECK_EQ(end.payload_size, 8);
        CHECK_EQ(end.payload[0], u64{vector} << 32);                   // of VP 0
        CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x80);     // the child has gone on
        CHECK_STATUS(child.set(reg::rflags, masked), Status::Success); // or the next one comes ahead of its halt
        CHECK(child.resume_at(start + 17));
    }
}

TEST(interrupts, a_pending_exception, "6.0b 7.3; Linux, hvhdk.h")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    static constexpr u8 code[] = {
        0xE6, 0x80,       // out 0x80, al
        0xE6, 0x86, 0xCF, // the handler: out 0x86, al; iret
    };
    CHECK(child.load(code));
    constexpr u64 invalid_opcode = 6;
    constexpr u64 handler = start + 2;
    auto& low = spare_page(Child::first_page + 1);
    low.fill(0);
    low.bytes[4 * invalid_opcode] = handler & 0xFF;
    low.bytes[4 * invalid_opcode + 1] = handler >> 8;
    CHECK_STATUS(status(child.map(0, Child::first_page + 1, 1)), Status::Success);
    constexpr u64 is_pending = 1;
    constexpr u64 exception = is_pending | invalid_opcode << 16;
    constexpr u64 with_error_code = u64{1} << 8;
    constexpr u64 of_other_type = u64{5} << 1;
    constexpr u64 malformed[] = {exception | with_error_code, exception | of_other_type, is_pending | u64{32} << 16};
    for (auto const refused : malformed)
        CHECK_STATUS(child.set(reg::pending_event0, refused), Status::InvalidRegisterValue);
    CHECK_STATUS(child.set(reg::pending_event1, exception), Status::InvalidRegisterValue);
    CHECK_STATUS(child.set(reg::pending_event1, 0), Status::Success);
    CHECK_STATUS(child.set(reg::pending_event0, exception), Status::Success);
    CHECK(child.run());
    CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x86);
    CHECK_EQ(child.get(reg::pending_event0), 0);
    CHECK(child.resume_at(handler + 2));
    CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x80); // it returns to where it came
}

TEST(interrupts, a_childs_time_stamp_counter, "2.0a 10.2.2, 15.4")
{
    NEEDS_RUNNING_CHILDREN();
    Child const child;
    static constexpr u8 code[] = {0xE6, 0x80, 0xE6, 0x81}; // out 0x80, al; out 0x81, al
    CHECK(child.load(code));
    constexpr u64 far = u64{1} << 60;
    auto const answer = child.set(reg::tsc, far);
    if (answer == Status::InvalidParameter) SKIP("the hypervisor below moves no TSC");
    CHECK_STATUS(answer, Status::Success);
    CHECK(child.run());
    CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x80);
    auto const set = child.get(reg::tsc);
    CHECK(set >= far);
    CHECK(set - far < u64{1} << 50);
    CHECK_STATUS(child.set(reg::tsc, 0), Status::Success);
    CHECK(child.resume_at(start + 2));
    CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x81);
    CHECK(child.get(reg::tsc) < u64{1} << 50);
}
