// Synthetic timers that send messages. TLFS 2.0a 15.1.3, 15.3, 16.4.
#include "conformance/timers.hpp"

#include "hyperv/synic.hpp"
#include "runtime/test.hpp"

using namespace guest;
using namespace guest::hv;
using namespace guest::timer;

namespace {

constexpr unsigned sint = 3;
constexpr u8 vector = 0x81;

struct Expiry {
    u32 type;
    u8 size;
    u64 origin;
    u32 index;
    u64 expiration;
    u64 delivery;
    u64 seen; ///< reference time when the guest saw it
};

/// Takes the message out of the slot.
Expiry take_expiry(unsigned processor = 0)
{
    auto& message = slot(sint, processor);
    auto const& payload = reinterpret_cast<TimerPayload const volatile&>(message.payload);
    auto const seen = reference_time();
    Expiry const expiry{message.type,  message.payload_size, message.origin,
                        payload.index, payload.expiration,   payload.delivery,
                        seen};
    release_slot(sint);
    return expiry;
}

/// What every expiry message must satisfy. `due` is the earliest reference time at which it may arrive.
void is_right(Expiry const& expiry, unsigned timer, u64 due)
{
    CHECK_EQ(expiry.type, message_timer_expired);
    CHECK_EQ(expiry.size, sizeof(TimerPayload));
    CHECK_EQ(expiry.origin, 0);
    CHECK_EQ(expiry.index, timer);
    CHECK(expiry.seen >= due);
    CHECK(expiry.expiration >= due);
    CHECK(expiry.delivery >= expiry.expiration);
    CHECK(expiry.delivery <= expiry.seen);
}

void fires_once(unsigned timer, u64 due)
{
    CHECK(wait_for_message(sint));
    auto const expiry = take_expiry();
    RUN(is_right(expiry, timer, due));
    CHECK_EQ(expiry.expiration, due);
    CHECK_EQ(rdmsr(config(timer)) & enabled, 0);
}

void fires_periodically(u64 mode)
{
    constexpr u64 period = 5 * per_millisecond;
    wrmsr(count(1), period);
    auto const start = reference_time();
    wrmsr(config(1), enabled | periodic | mode | on_sint(sint));
    u64 last = 0;
    for (u64 i = 1; i <= 5; ++i) {
        note_position(i);
        CHECK(wait_for_message(sint));
        auto const expiry = take_expiry();
        RUN(is_right(expiry, 1, start + i * period));
        CHECK(expiry.expiration > last);
        last = expiry.expiration;
        CHECK(rdmsr(config(1)) & enabled);
    }
    wrmsr(config(1), 0);
    CHECK_EQ(rdmsr(config(1)), 0);
}

/// Takes what a timer has left that fired before it was stopped. Returns how many interrupts there have been.
u32 after_a_late_one()
{
    let_time_pass(50'000);
    if (slot(sint).type != message_none) release_slot(sint);
    let_time_pass(50'000);
    return interrupt_count(vector);
}

} // namespace

#define NEEDS_MESSAGE_TIMERS()                                                                                       \
    NEEDS(timers);                                                                                                   \
    NEEDS(synic);                                                                                                    \
    NEEDS(reference_counter);                                                                                        \
    Synic const synic_enabled;                                                                                       \
    set_sint(sint, vector);                                                                                          \
    [[maybe_unused]] auto const interrupts_before = interrupt_count(vector)

TEST(timers, one_shot, "2.0a 15.3.1, 16.4")
{
    NEEDS_MESSAGE_TIMERS();
    for (unsigned timer = 0; timer < timer_count; ++timer) {
        note_position(timer);
        auto const due = reference_time() + 5 * per_millisecond;
        wrmsr(count(timer), due);
        wrmsr(config(timer), enabled | on_sint(sint));
        RUN(fires_once(timer, due));
        CHECK(wait_until([&] { return interrupt_count(vector) == interrupts_before + timer + 1; }));
    }
}

TEST(timers, one_shot_in_the_past_fires_at_once, "2.0a 15.3.1")
{
    NEEDS_MESSAGE_TIMERS();
    auto const due = reference_time() - 1;
    wrmsr(count(0), due);
    wrmsr(config(0), enabled | on_sint(sint));
    RUN(fires_once(0, due));
    CHECK(wait_until([&] { return interrupt_count(vector) == interrupts_before + 1; }));
}

TEST(timers, one_that_expires_before_the_message_page_is_there_is_told_then, "2.0a 14.2.4, 15.3.1")
{
    NEEDS_MESSAGE_TIMERS();
    constexpr u64 page_enabled = 1;
    auto const page = rdmsr(msr::simp);
    wrmsr(msr::simp, page & ~page_enabled);
    auto const due = reference_time() - 1;
    wrmsr(count(0), due);
    wrmsr(config(0), enabled | on_sint(sint));
    let_time_pass(5'000);
    CHECK_EQ(interrupt_count(vector), interrupts_before);
    wrmsr(msr::simp, page);
    RUN(fires_once(0, due));
    CHECK(wait_until([&] { return interrupt_count(vector) == interrupts_before + 1; }));
}

TEST(timers, one_shot_fires_once, "2.0a 15.3.1")
{
    NEEDS_MESSAGE_TIMERS();
    auto const due = reference_time() + per_millisecond;
    wrmsr(count(0), due);
    wrmsr(config(0), enabled | on_sint(sint));
    RUN(fires_once(0, due));
    let_time_pass(10'000);
    CHECK_EQ(slot(sint).type, message_none);
    CHECK_EQ(interrupt_count(vector), interrupts_before + 1);
}

TEST(timers, disabled_one_shot_does_not_fire, "2.0a 15.3.1")
{
    NEEDS_MESSAGE_TIMERS();
    u64 due = 0;
    auto interrupts = interrupts_before;
    CHECK(before_it_fires(
        [&](u64 delay) {
            due = reference_time() + delay;
            wrmsr(count(0), due);
            wrmsr(config(0), enabled | on_sint(sint));
            wrmsr(config(0), on_sint(sint));
        },
        [&] { interrupts = after_a_late_one(); }));
    CHECK_EQ(rdmsr(config(0)) & enabled, 0);
    let_it_pass(due);
    CHECK_EQ(slot(sint).type, message_none);
    CHECK_EQ(interrupt_count(vector), interrupts);
}

TEST(timers, auto_enable, "2.0a 15.3.1")
{
    NEEDS_MESSAGE_TIMERS();
    wrmsr(config(2), auto_enable | on_sint(sint));
    CHECK_EQ(rdmsr(config(2)) & enabled, 0);
    auto const due = reference_time() + 5 * per_millisecond;
    wrmsr(count(2), due);
    RUN(fires_once(2, due));
    CHECK_EQ(rdmsr(config(2)), auto_enable | on_sint(sint));
}

TEST(timers, auto_enable_sets_the_bit, "2.0a 15.3.1")
{
    NEEDS_MESSAGE_TIMERS();
    wrmsr(config(2), auto_enable | on_sint(sint));
    wrmsr(count(2), reference_time() + 3600 * 1000 * per_millisecond);
    CHECK(rdmsr(config(2)) & enabled);
}

TEST(timers, count_zero_disables, "2.0a 15.3.2")
{
    NEEDS_MESSAGE_TIMERS();
    u64 due = 0;
    bool was_enabled = false;
    auto interrupts = interrupts_before;
    CHECK(before_it_fires(
        [&](u64 delay) {
            wrmsr(count(0), delay);
            wrmsr(config(0), enabled | periodic | auto_enable | on_sint(sint));
            due = reference_time() + delay;
            was_enabled = (rdmsr(config(0)) & enabled) != 0;
            wrmsr(count(0), 0);
        },
        [&] { interrupts = after_a_late_one(); }));
    CHECK(was_enabled);
    CHECK_EQ(rdmsr(config(0)) & enabled, 0);
    let_it_pass(due);
    CHECK_EQ(slot(sint).type, message_none);
    CHECK_EQ(interrupt_count(vector), interrupts);
}

TEST(timers, moving_to_sint_zero_disables, "2.0a 15.3.1")
{
    NEEDS_MESSAGE_TIMERS();
    wrmsr(count(0), reference_time() + 3600 * 1000 * per_millisecond);
    wrmsr(config(0), enabled | on_sint(sint));
    CHECK(rdmsr(config(0)) & enabled);
    wrmsr(config(0), enabled | on_sint(0));
    CHECK_EQ(rdmsr(config(0)) & enabled, 0);
}

TEST(timers, enabling_on_sint_zero_fails, "2.0a 15.3.1")
{
    NEEDS_MESSAGE_TIMERS();
    wrmsr(count(0), reference_time() + 3600 * 1000 * per_millisecond);
    wrmsr(config(0), enabled | on_sint(0));
    CHECK_EQ(rdmsr(config(0)) & enabled, 0);
}

TEST(timers, periodic, "2.0a 15.1.4")
{
    NEEDS_MESSAGE_TIMERS();
    RUN(fires_periodically(0));
    CHECK(interrupt_count(vector) >= interrupts_before + 5);
}

TEST(timers, lazy_periodic, "2.0a 15.1.4")
{
    NEEDS_MESSAGE_TIMERS();
    RUN(fires_periodically(lazy));
    CHECK(interrupt_count(vector) >= interrupts_before + 5);
}

TEST(timers, two_share_a_slot, "2.0a 14.2.4")
{
    NEEDS_MESSAGE_TIMERS();
    auto const due = reference_time() + 5 * per_millisecond;
    wrmsr(count(0), due);
    wrmsr(count(3), due + 5 * per_millisecond);
    wrmsr(config(0), enabled | on_sint(sint));
    wrmsr(config(3), enabled | on_sint(sint));
    CHECK(wait_until([&] { return (load(slot(sint).flags) & message_pending) != 0; }));
    RUN(is_right(take_expiry(), 0, due));
    CHECK(wait_for_message(sint));
    RUN(is_right(take_expiry(), 3, due + 5 * per_millisecond));
    CHECK(wait_until([&] { return interrupt_count(vector) == interrupts_before + 2; }));
}

TEST(timers, masked_source_only_receives, "2.0a 14.2.4")
{
    NEEDS_MESSAGE_TIMERS();
    set_sint(sint, vector, sint_masked);
    auto const due = reference_time() + per_millisecond;
    wrmsr(count(0), due);
    wrmsr(config(0), enabled | on_sint(sint));
    RUN(fires_once(0, due));
    let_time_pass(2000);
    CHECK_EQ(interrupt_count(vector), interrupts_before);
}

TEST(timers, belong_to_their_processor, "2.0a 15.3")
{
    NEEDS_MESSAGE_TIMERS();
    NEEDS_SECOND_CPU();
    Expiry expiry{};
    u64 due = 0;
    bool arrived = false;
    auto const there_before = interrupt_count(vector, 1);
    CHECK(run_on(1, [&] {
        Synic const there;
        set_sint(sint, vector);
        due = reference_time() + 5 * per_millisecond;
        wrmsr(count(0), due);
        wrmsr(config(0), enabled | on_sint(sint));
        arrived = wait_for_message(sint, 1);
        expiry = take_expiry(1);
        (void)wait_until([&] { return interrupt_count(vector, 1) != there_before; });
    }));
    CHECK(arrived);
    RUN(is_right(expiry, 0, due));
    CHECK_EQ(interrupt_count(vector, 1), there_before + 1);
    CHECK_EQ(interrupt_count(vector), interrupts_before);
    CHECK_EQ(slot(sint).type, message_none);
}
