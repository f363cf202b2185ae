// Exceptions and level-triggered interrupts that a parent gives its child.
#include "hyperv/synic.hpp"
#include "parent/child.hpp"
#include "runtime/clock.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

/// A child that halts, and tells of each interrupt of its direct timer 0. The hypervisor below runs this once it has
/// the child's reference TSC page.
class TimedChild {
  public:
    static constexpr u64 per_ms = 10'000;
    static constexpr u64 setting = 1u << 12 | 8u | u64{0x40} << 4; // direct, AutoEnable, vector 0x40
    static constexpr u64 enabled = 1;

    void begin() const
    {
        static constexpr u8 code[] = {
            0x66, 0xB9, 0x0F, 0x08, 0x00, 0x00, // mov ecx, 0x80F: the spurious vector of an x2APIC
            0x66, 0xB8, 0xFF, 0x01, 0x00, 0x00, // mov eax, 0x1FF: the APIC is on
            0x66, 0x31, 0xD2,                   // xor edx, edx
            0x0F, 0x30,                         // wrmsr
            0xFB, 0xF4, 0xEB, 0xFD,             // sti; hlt; jmp to it
            0xE6, 0x81,                         // the handler: out 0x81, al
            0x66, 0xB9, 0x0B, 0x08, 0x00, 0x00, // mov ecx, 0x80B: EOI
            0x66, 0x31, 0xC0,                   // xor eax, eax
            0x0F, 0x30,                         // wrmsr
            0xCF,                               // iret
        };
        auto& low = spare_page(Child::first_page + 1);
        low.fill(0);
        low.bytes[4 * 0x40] = handler & 0xFF;
        low.bytes[4 * 0x40 + 1] = handler >> 8;
        CHECK(child_.load(code));
        CHECK_STATUS(status(child_.map(0, Child::first_page + 1, 1)), Status::Success);
        CHECK_STATUS(status(child_.map(2, Child::first_page + 2, 1)), Status::Success);
        CHECK_STATUS(child_.set(reg::apic_base, 0xFEE0'0D00), Status::Success); // x2APIC
        CHECK_STATUS(child_.set(reg::stimer0_config, setting), Status::Success);
        CHECK(child_.run());
        CHECK(no_intercept()); // it halts
    }

    [[nodiscard]] Child const& operator*() const { return child_; }
    void show_time() const { CHECK_STATUS(child_.set(reg::reference_tsc, page_size * 2 | 1), Status::Success); }
    [[nodiscard]] u64 now() const { return child_.get(reg::time_ref_count); }
    /// Until when; 0 where it is not to be armed.
    [[nodiscard]] u64 arm(u64 ticks) const
    {
        auto const due = now() + ticks;
        return child_.set(reg::stimer0_count, due) == Status::Success ? due : 0;
    }
    [[nodiscard]] u64 config() const { return child_.get(reg::stimer0_config); }
    void expires(u64 due) const
    {
        CHECK(due != 0);
        CHECK_EQ(next_intercept().as<IoPortMessage>().port, 0x81);
        CHECK(now() >= due);
        CHECK_EQ(config(), setting);
        CHECK(child_.resume_at(handler + 2));
    }
    /// While something keeps the child from executing.
    void passes_unnoticed(u64 due) const
    {
        CHECK(wait_until([&] { return now() > due + per_ms; }));
        CHECK(no_intercept());
        CHECK_EQ(config(), setting | enabled);
    }

  private:
    static constexpr u64 handler = start + 21;
    /// TIME_REF_COUNT, SynIC, timers, REFERENCE_TSC and direct timers.
    static constexpr u64 features = 1u << 3 | 1u << 4 | 1u << 5 | 1u << 9 | 1u << 22;

    Child const child_{creation::exo | creation::local_apic, {processor_features, features}};
};

/// Often enough that KVM has them, where it takes them.
void check_direct_timer(TimedChild const& child)
{
    constexpr u32 rounds = 20;
    for (u32 round = 0; round < rounds; ++round) {
        note_position(round);
        child.expires(child.arm(TimedChild::per_ms));
    }
    constexpr u64 far = 600'000 * TimedChild::per_ms;
    (void)child.arm(far);
    CHECK_EQ(child.config(), TimedChild::setting | TimedChild::enabled);
    CHECK_STATUS((*child).set(reg::stimer0_count, 0), Status::Success);
    CHECK_EQ(child.config(), TimedChild::setting);
}

} // namespace

TEST(interrupts, a_direct_timer_of_a_child, "6.0b 12.4")
{
    NEEDS_RUNNING_CHILDREN();
    TimedChild const child;
    child.begin();
    check_direct_timer(child);
    child.show_time();
    check_direct_timer(child);
}

TEST(interrupts, a_timer_while_its_child_does_not_execute, "2.0a 10.3.1; online, partition properties")
{
    NEEDS_RUNNING_CHILDREN();
    constexpr u32 time_freeze = 0x0003'0003;
    TimedChild const child;
    child.begin();
    child.show_time();
    check_direct_timer(child);
    for (u32 round = 0; round < 3; ++round) {
        note_position(round);
        auto due = child.arm(50 * TimedChild::per_ms);
        CHECK_STATUS((*child).set(reg::explicit_suspend, 1), Status::Success);
        child.passes_unnoticed(due);
        CHECK((*child).run());
        child.expires(due);

        due = child.arm(50 * TimedChild::per_ms);
        CHECK_STATUS(set_partition_property((*child).id(), time_freeze, 1), Status::Success);
        child.passes_unnoticed(due);
        CHECK_STATUS(set_partition_property((*child).id(), time_freeze, 0), Status::Success);
        child.expires(due);
    }
}

TEST(interrupts, a_timer_when_its_childs_tsc_is_set, "2.0a 10.2.2, 15.4")
{
    NEEDS_RUNNING_CHILDREN();
    TimedChild const child;
    child.begin();
    child.show_time();
    check_direct_timer(child);
    constexpr u64 values[] = {u64{1} << 60, 0, u64{1} << 61, u64{1} << 50};
    for (auto const value : values) {
        auto const due = child.arm(50 * TimedChild::per_ms);
        auto const answer = (*child).set(reg::tsc, value);
        if (answer == Status::InvalidParameter) SKIP("the hypervisor below moves no TSC");
        CHECK_STATUS(answer, Status::Success);
        child.expires(due);
        check_direct_timer(child);
    }
}

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
