// That the runtime itself works: without it, no other line means anything. These need no Hyper-V.
#include "runtime/apic.hpp"
#include "runtime/clock.hpp"
#include "runtime/test.hpp"
#include "runtime/traps.hpp"

using namespace guest;

FIRST_TEST(runtime, invalid_opcode_is_survived, "Intel SDM vol. 3, exceptions")
{
    CHECK_EQ(attempt([] { asm volatile("ud2"); }), invalid_opcode);
    CHECK_EQ(attempt([] {}), static_cast<u64>(no_exception));
}

FIRST_TEST(runtime, guards_nest, "Intel SDM vol. 3, exceptions")
{
    int inner = 0;
    int const outer = attempt([&] {
        inner = attempt([] { asm volatile("ud2"); });
        (void)*reinterpret_cast<u8 volatile*>(u64{0x8000'0000} << 8);
    });
    CHECK_EQ(inner, invalid_opcode);
    CHECK_EQ(outer, page_fault);
    CHECK_EQ(this_cpu().fault.address, u64{0x8000'0000} << 8);
}

FIRST_TEST(runtime, general_protection_is_survived, "Intel SDM vol. 3, exceptions")
{
    constexpr u64 not_canonical = 0x8000'0000'0000'0000;
    CHECK_EQ(attempt([] { (void)*reinterpret_cast<u8 volatile*>(not_canonical); }), general_protection);
}

FIRST_TEST(runtime, self_ipi, "Intel SDM vol. 3, local APIC")
{
    constexpr u8 vector = 0x61;
    auto const before = interrupt_count(vector);
    apic::send_interrupt(this_cpu().apic_id, vector);
    CHECK(wait_until([&] { return interrupt_count(vector) == before + 1; }));
    CHECK(!apic::is_in_service(vector));
}

FIRST_TEST(runtime, apic_timer_wakes_halt, "Intel SDM vol. 3, local APIC timer")
{
    constexpr u8 vector = 0x62;
    auto const before = interrupt_count(vector);
    InterruptsOff const off;
    apic::start_timer(vector, 1'000'000);
    wait_for_interrupt();
    CHECK_EQ(interrupt_count(vector), before + 1);
}

FIRST_TEST(runtime, all_processors_run, "Intel SDM vol. 3, MP initialization")
{
    NEEDS_SECOND_CPU();
    for (unsigned i = 1; i < cpu_count(); ++i) {
        u32 ran_on = ~0u;
        CHECK(run_on(i, [&] { ran_on = this_cpu().index; }));
        CHECK_EQ(ran_on, i);
        constexpr u8 vector = 0x63;
        auto const before = interrupt_count(vector, i);
        apic::send_interrupt(cpu(i).apic_id, vector);
        CHECK(wait_until([&] { return interrupt_count(vector, i) == before + 1; }));
    }
}

FIRST_TEST(runtime, exceptions_are_survived_elsewhere, "Intel SDM vol. 3, exceptions")
{
    NEEDS_SECOND_CPU();
    int vector = 0;
    CHECK(run_on(cpu_count() - 1, [&] { vector = attempt([] { asm volatile("ud2"); }); }));
    CHECK_EQ(vector, invalid_opcode);
}
