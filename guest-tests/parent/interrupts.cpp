// Level-triggered interrupts of a child, whose end its parent hears of.
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
        CHECK_EQ(end.payload[0], u64{vector} << 32);               // of VP 0
        CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x80); // the child has gone on
        CHECK(child.resume_at(start + 17));
    }
}
