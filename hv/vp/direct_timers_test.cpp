/// Synthetic timers in direct mode (TLFS 6.0b §12.4), by the model or by what accelerates the VP.
#include "hv/testing/catch.hpp"
#include "hv/testing/timer_guest.hpp"

using namespace hv;
using namespace hv::testing;
namespace bits = stimer_bits;

TEST_CASE("direct mode asserts its vector and leaves the SynIC alone (TLFS 6.0b 12.4)", "[timers]")
{
    TimerGuest g;
    write_msr(g.guest, abi::msr::scontrol, 0);
    g.count(g.now() + 10, 3);
    g.config(bits::enable | bits::direct | bits::vector(0xEC) | bits::to_sint, 3);
    g.run(10);
    CHECK(g.guest.sink.asserted == std::vector<Assertion>{{0, 0xEC, false}});
    CHECK(g.slot.type() == 0);
}

TEST_CASE("direct mode that CPUID does not offer is #GP (TLFS 6.0b 2.4, 12.4)", "[timers]")
{
    PartitionRegistry registry;
    auto rights = Rights::ordinary();
    rights.set(Feature::DirectTimers, false);
    TestGuest const guest{registry, rights};
    CHECK_FALSE(guest.vp().write_msr(abi::msr::stimer0_config, bits::direct | bits::vector(0x50)));
    CHECK(guest.vp().read_msr(abi::msr::stimer0_config) == 0U);
    CHECK(guest.vp().write_msr(abi::msr::stimer0_config, bits::to_sint));
}

TEST_CASE("no way leads to a direct timer with a vector below 16, which no APIC delivers", "[timers]")
{
    TimerGuest g;
    auto const vector = GENERATE(0U, 2U, 15U);
    g.count(g.now() + 10);
    CHECK_FALSE(g.guest.vp().write_msr(abi::msr::stimer0_config, bits::enable | bits::direct | bits::vector(vector)));
    g.config(bits::auto_enable | bits::direct | bits::vector(vector)); // not enabled: accepted
    g.count(g.now() + 10);
    CHECK((g.shown() & bits::enable) == 0);
    g.run(1000);
    CHECK(g.guest.sink.asserted.empty());
}

TEST_CASE("a one-shot direct timer is the machine's, if it takes it, and no deadline is for it", "[timers]")
{
    TimerGuest g;
    g.control.accelerated.takes_direct_timers = true;
    auto const at = g.now() + 1000;
    g.count(at, 1);
    g.config(bits::enable | bits::direct | bits::vector(0x40), 1);
    CHECK_FALSE(g.deadline());
    CHECK(g.control.accelerated.direct_timers.at(1) == std::pair{std::uint8_t{0x40}, RefTime{at}});

    g.run(2000);
    g.guest.vp().expire_timers(); // spurious
    CHECK(g.guest.sink.asserted.empty());
    CHECK((g.shown(1) & bits::enable) != 0); // until the machine has asserted its vector (TLFS 6.0b 12.5)
    g.control.accelerated.direct_timers.clear();
    CHECK(g.shown(1) == (bits::direct | bits::vector(0x40)));

    g.count(g.now() + 1000, 1); // it is disabled, and there is no AutoEnable
    CHECK(g.control.accelerated.direct_timers.empty());
    CHECK_FALSE(g.deadline());
}

TEST_CASE("a count arms a direct timer with AutoEnable again, at the machine as well (TLFS 2.0a 15.3.1)", "[timers]")
{
    TimerGuest g;
    g.control.accelerated.takes_direct_timers = true;
    g.config(bits::auto_enable | bits::direct | bits::vector(0x40));
    CHECK(g.control.accelerated.direct_timers.empty());
    for (unsigned round = 1; round <= 3; ++round) {
        auto const at = g.now() + 100 * round;
        g.count(at);
        CHECK(g.control.accelerated.direct_timers.at(0).second == RefTime{at});
        CHECK((g.shown() & bits::enable) != 0);
        if (round == 2) g.control.accelerated.direct_timers.clear(); // expired, else set anew
    }
    g.count(0);
    CHECK(g.control.accelerated.direct_timers.empty());
    CHECK((g.shown() & bits::enable) == 0);
}

TEST_CASE("timers that the machine does not take are the model's, and the machine's are stopped for them", "[timers]")
{
    TimerGuest g;
    g.control.accelerated.takes_direct_timers = true;
    auto const at = g.now() + 1000;
    auto const start = [&] {
        g.config(0);
        g.count(at);
        g.config(bits::enable | bits::direct | bits::vector(0x40));
        REQUIRE(g.control.accelerated.direct_timers.contains(0));
        REQUIRE_FALSE(g.deadline());
    };
    SECTION("a message")
    {
        start();
        g.config(bits::enable | bits::to_sint);
        CHECK(g.deadline() == at);
    }
    SECTION("a periodic one")
    {
        start();
        auto const now = g.now();
        g.config(bits::enable | bits::periodic | bits::direct | bits::vector(0x40));
        CHECK(g.deadline() == now + at);
    }
    SECTION("one that is too far away for it")
    {
        start();
        g.control.accelerated.takes_direct_timers = false;
        g.config(bits::enable | bits::direct | bits::vector(0x40));
        CHECK(g.deadline() == at);
        g.run(1000);
        CHECK(g.guest.sink.asserted == std::vector<Assertion>{{0, 0x40, false}});
        CHECK((g.shown() & bits::enable) == 0);
    }
    SECTION("one that is disabled")
    {
        start();
        g.config(bits::direct | bits::vector(0x40));
        CHECK_FALSE(g.deadline());
    }
    CHECK(g.control.accelerated.direct_timers.empty());
}

TEST_CASE("what the machine runs is asked of it anew when the TSC has moved, and is the model's where it refuses",
          "[timers][time]")
{
    TimerGuest g;
    auto& machine = g.control.accelerated;
    machine.takes_direct_timers = true;
    auto const at = g.now() + 1000;
    for (unsigned n = 0; n < 2; ++n) {
        g.count(at + n, n);
        g.config(bits::enable | bits::direct | bits::vector(0x40 + n), n);
    }
    machine.direct_timers.erase(0); // it has expired
    SECTION("it takes it again")
    {
        machine.direct_timers[1] = {};
        g.guest.vp().tsc_moved();
        CHECK(machine.direct_timers == decltype(machine.direct_timers){{1, {std::uint8_t{0x41}, RefTime{at + 1}}}});
        CHECK_FALSE(g.deadline());
    }
    SECTION("it refuses")
    {
        machine.takes_direct_timers = false;
        g.guest.vp().tsc_moved();
        CHECK(machine.direct_timers.empty());
        CHECK(g.deadline() == at + 1);
        g.run(1001);
        CHECK(g.guest.sink.asserted == std::vector<Assertion>{{0, 0x41, false}});
        CHECK((g.shown(1) & bits::enable) == 0);
    }
    CHECK(machine.tsc_moves == 1);
    CHECK((g.shown(0) & bits::enable) == 0);
}

TEST_CASE("the model's own deadline is set anew when the TSC has moved", "[timers][time]")
{
    TimerGuest g;
    auto const at = g.now() + 1000;
    g.count(at);
    g.config(bits::enable | bits::to_sint);
    g.control.deadline.reset();
    g.guest.vp().tsc_moved();
    CHECK(g.deadline() == at);
}
