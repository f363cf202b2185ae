/// Synthetic timers (TLFS 2.0a §15.1.3, §15.1.4, §15.3), through their MSRs.
#include "hv/testing/catch.hpp"
#include "hv/testing/timer_guest.hpp"

using namespace hv;
using namespace hv::testing;
namespace bits = stimer_bits;

TEST_CASE("a one-shot timer sends its message at its time, not before, and is disabled then (TLFS 2.0a 15.3)",
          "[timers]")
{
    TimerGuest g;
    auto const at = g.now() + 1000;
    g.count(at, 2);
    CHECK_FALSE(g.deadline()); // not enabled yet
    g.config(bits::enable | bits::to_sint, 2);
    CHECK(g.deadline() == at);

    g.run(999);
    g.guest.vp().expire_timers(); // spurious
    CHECK(g.slot.type() == 0);
    CHECK(g.deadline() == at);
    CHECK(g.shown(2) == (bits::enable | bits::to_sint));
    g.run(3);
    CHECK(g.shown(2) == bits::to_sint);
    CHECK_FALSE(g.deadline());

    auto const message = g.slot.message();
    CHECK(message.header.type == abi::MessageType::TimerExpired);
    CHECK(message.header.payload_size == 24);
    CHECK(message.header.origin == 0);
    CHECK(message.payload[0] == 2); // the timer's index, and the reserved word behind it
    CHECK(message.payload[1] == at);
    CHECK(message.payload[2] == at + 2); // delivery time
    CHECK(g.guest.sink.asserted == std::vector<Assertion>{{0, vector_of(timer_sint), false}});
    g.run(100'000);
    CHECK(g.guest.sink.asserted.size() == 1);
}

TEST_CASE("a one-shot timer in the past expires immediately (TLFS 2.0a 15.3.1)", "[timers]")
{
    TimerGuest g;
    g.guest.clock.advance_100ns(1000);
    auto const at = GENERATE(std::uint64_t{1}, std::uint64_t{999});
    g.count(at);
    g.config(bits::enable | bits::to_sint);
    REQUIRE(g.deadline() == at);
    CHECK(g.settle() == 1);
    CHECK(g.slot.message().payload[1] == at);
    CHECK((g.shown() & bits::enable) == 0);
}

TEST_CASE("count 0 stops a timer, whatever AutoEnable says; enabling it with 0 starts nothing (TLFS 2.0a 15.3.2)",
          "[timers]")
{
    TimerGuest g;
    auto const mode =
        GENERATE(std::uint64_t{0}, bits::periodic, bits::auto_enable, bits::auto_enable | bits::periodic);
    g.count(g.now() + 1000);
    g.config(bits::enable | bits::to_sint | mode);
    REQUIRE(g.deadline());
    g.count(0);
    CHECK_FALSE(g.deadline());
    CHECK((g.shown() & bits::enable) == 0);
    g.config(bits::enable | bits::to_sint | mode);
    CHECK_FALSE(g.deadline());
    g.run(1'000'000);
    CHECK(g.slot.type() == 0);
}

TEST_CASE("AutoEnable: writing a count that is not zero enables (TLFS 2.0a 15.3.1)", "[timers]")
{
    TimerGuest g;
    g.config(bits::auto_enable | bits::to_sint);
    CHECK_FALSE(g.deadline());
    auto const at = g.now() + 10;
    g.count(at);
    CHECK((g.shown() & bits::enable) != 0);
    CHECK(g.deadline() == at);
    g.run(10);
    CHECK(g.shown() == (bits::auto_enable | bits::to_sint));
    g.count(g.now() + 10); // and again, as Linux programs its clock event
    CHECK((g.shown() & bits::enable) != 0);
}

TEST_CASE("without AutoEnable a count starts nothing (TLFS 2.0a 15.3.1)", "[timers]")
{
    TimerGuest g;
    g.config(bits::to_sint);
    g.count(g.now() + 10);
    CHECK_FALSE(g.deadline());
    CHECK(g.shown() == bits::to_sint);
}

TEST_CASE("SINT 0 disables an enabled timer, also by AutoEnable, but not in direct mode (TLFS 2.0a 15.3.1)",
          "[timers]")
{
    TimerGuest g;
    g.count(g.now() + 10);
    g.config(bits::enable);
    CHECK(g.shown() == 0);
    CHECK_FALSE(g.deadline());
    g.config(bits::auto_enable);
    g.count(g.now() + 10);
    CHECK(g.shown() == bits::auto_enable);
    CHECK_FALSE(g.deadline());
    g.config(bits::enable | bits::direct | bits::vector(0x50));
    CHECK(g.deadline());
}

TEST_CASE("a periodic timer's first period begins when it is enabled (TLFS 2.0a 15.3.2)", "[timers]")
{
    TimerGuest g;
    g.count(100);
    g.guest.clock.advance_100ns(5000);
    auto const start = g.now();
    g.config(bits::enable | bits::periodic | bits::to_sint);
    for (std::uint64_t period = 1; period <= 5; ++period) {
        CHECK(g.deadline() == start + 100 * period);
        CHECK(g.run(100) == 1);
        auto const message = g.slot.take();
        REQUIRE(message);
        CHECK(message->payload[1] == start + 100 * period);
        CHECK((g.shown() & bits::enable) != 0); // until it is disabled
    }
    g.config(bits::periodic | bits::to_sint);
    CHECK_FALSE(g.deadline());
}

TEST_CASE("a periodic timer that is a little late catches up, one signal for each period (TLFS 2.0a 15.1.4)",
          "[timers]")
{
    TimerGuest g;
    auto const start = g.now();
    g.count(100);
    g.config(bits::enable | bits::periodic | bits::direct | bits::vector(0x50));
    CHECK(g.run(350) == 3);
    CHECK(g.guest.sink.asserted.size() == 3);
    CHECK(g.deadline() == start + 400); // the schedule has not moved
}

TEST_CASE("a periodic timer that is far behind skips, in bounded time (TLFS 2.0a 15.1.4)", "[timers]")
{
    TimerGuest g;
    auto const period = GENERATE(std::uint64_t{1}, std::uint64_t{3}, std::uint64_t{100});
    auto const start = g.now();
    g.count(period);
    g.config(bits::enable | bits::periodic | bits::direct | bits::vector(0x50));
    CHECK(g.run(1'000'000'000'000'003) <= 10);
    REQUIRE(g.deadline());
    CHECK(*g.deadline() > g.now());
    CHECK((*g.deadline() - start) % period == 0);
}

TEST_CASE("a lazy timer sends one signal for all it has missed (TLFS 2.0a 15.1.4)", "[timers]")
{
    TimerGuest g;
    auto const start = g.now();
    g.count(100);
    g.config(bits::enable | bits::periodic | bits::lazy | bits::direct | bits::vector(0x50));
    CHECK(g.run(350) == 1);
    CHECK(g.guest.sink.asserted.size() == 1);
    CHECK(g.deadline() == start + 400);
}

TEST_CASE("a count at the end of time neither fires early nor wraps (TLFS 2.0a 15.3.2)", "[timers]")
{
    TimerGuest g;
    auto const mode = GENERATE(std::uint64_t{0}, bits::periodic, bits::periodic | bits::lazy);
    auto const count = GENERATE(~std::uint64_t{0}, ~std::uint64_t{0} - 1, std::uint64_t{1} << 63);
    g.guest.clock.advance_100ns(1000);
    g.count(count);
    g.config(bits::enable | bits::to_sint | mode);
    REQUIRE(g.deadline());
    CHECK(*g.deadline() > g.now());
    CHECK(g.run(1'000'000'000) == 0);
    CHECK(g.slot.type() == 0);
}

TEST_CASE("reserved CONFIG bits read as zero; the others as written (TLFS 6.0b 12.5)", "[timers]")
{
    TimerGuest g;
    g.config(~std::uint64_t{0} & ~bits::enable);
    CHECK(g.shown() == 0xF'1FFE);
}

TEST_CASE("an expiry with the slot busy waits in the timer's buffer; the next one replaces it (TLFS 2.0a 14.2.1)",
          "[timers]")
{
    TimerGuest g;
    auto const start = g.now();
    g.count(100);
    g.config(bits::enable | bits::periodic | bits::to_sint);
    for (unsigned i = 0; i < 5; ++i)
        g.run(100);
    CHECK(g.slot.pending());
    g.guest.clock.advance_100ns(7);
    auto const first = g.slot.take();
    CHECK(first->payload[1] == start + 100);
    auto const second = g.slot.take();
    REQUIRE(second);
    CHECK(second->payload[1] == start + 500);
    CHECK(second->payload[2] == start + 507); // when it entered the slot, not when it expired
    CHECK_FALSE(g.slot.take());
}

TEST_CASE("an expiry that waits for its slot goes when the timer is set anew (TLFS 2.0a 15.3.1 leaves it open)",
          "[timers]")
{
    TimerGuest g;
    g.count(100);
    g.config(bits::enable | bits::periodic | bits::to_sint);
    g.run(100);
    g.run(100);
    REQUIRE(g.slot.pending());
    g.config(0);
    CHECK(g.slot.take());
    CHECK_FALSE(g.slot.take());
}

TEST_CASE("a timer message waits for a disabled SynIC (TLFS 2.0a 14.2.3)", "[timers]")
{
    TimerGuest g;
    write_msr(g.guest, abi::msr::scontrol, 0);
    auto const at = g.now() + 10;
    g.count(at);
    g.config(bits::enable | bits::to_sint);
    g.run(10);
    CHECK(g.slot.type() == 0);
    write_msr(g.guest, abi::msr::scontrol, 1);
    CHECK(g.slot.message().payload[1] == at);
    CHECK(g.guest.sink.asserted.size() == 1);
}

TEST_CASE("four timers share one deadline, the earliest (TLFS 2.0a 15.1.1)", "[timers]")
{
    TimerGuest g;
    auto const start = g.now();
    for (unsigned timer = 0; timer < 4; ++timer) {
        g.count(start + 400 - 100 * timer, timer);
        g.config(bits::enable | bits::direct | bits::vector(0x50 + timer), timer);
        CHECK(g.deadline() == start + 400 - 100 * timer);
    }
    g.config(0, 3);
    CHECK(g.deadline() == start + 200);
    g.run(1000);
    std::vector<std::uint8_t> vectors;
    for (auto const& a : g.guest.sink.asserted)
        vectors.push_back(a.vector);
    std::ranges::sort(vectors);
    CHECK(vectors == std::vector<std::uint8_t>{0x50, 0x51, 0x52});
    CHECK_FALSE(g.deadline());
}

TEST_CASE("a disabled timer's late deadline is harmless (TLFS 2.0a 15.1.3)", "[timers]")
{
    TimerGuest g;
    g.count(g.now() + 10);
    g.config(bits::enable | bits::to_sint);
    g.guest.clock.advance_100ns(20);
    g.config(bits::to_sint);
    CHECK_FALSE(g.deadline());
    g.guest.vp().expire_timers();
    CHECK(g.slot.type() == 0);
}
