#include "hv/testing/catch.hpp"
#include "vmm/machine/asio_clock.hpp"
#include "vmm/machine/event_loop.hpp"

#include <chrono>
#include <optional>
#include <thread>

using namespace std::chrono_literals;

TEST_CASE("a deadline is kept, and never early", "[clock]")
{
    boost::asio::io_context io;
    vmm::AsioClock clock{io, 5s};
    std::chrono::nanoseconds called_at{0};
    clock.on_deadline([&] { called_at = clock.now(); });

    auto const deadline = clock.now() + 2ms;
    clock.arm(deadline);
    io.run();
    CHECK(called_at >= deadline);
    CHECK(clock.now() >= 5s);
}

TEST_CASE("however often the deadline changes, one handler is on its way", "[clock]")
{
    boost::asio::io_context io;
    vmm::AsioClock clock{io, 0s};
    unsigned calls = 0;
    clock.on_deadline([&] { ++calls; });

    for (int i = 0; i < 10'000; ++i) {
        clock.arm(clock.now() + 1h);
        clock.disarm();
    }
    CHECK(io.run() == 1);
    CHECK(calls == 0);
}

TEST_CASE("a clock that stands still keeps its deadlines until it goes on", "[clock]")
{
    boost::asio::io_context io;
    vmm::AsioClock clock{io, 5s};
    std::optional<std::chrono::nanoseconds> called_at;
    clock.on_deadline([&] { called_at = clock.now(); });
    auto const deadline = clock.now() + 20ms;
    clock.arm(deadline);
    clock.stop();
    auto const stopped = clock.now();
    io.run_for(40ms);
    CHECK(clock.now() == stopped);
    CHECK_FALSE(called_at);

    clock.go_on();
    CHECK(clock.now() < deadline);
    io.restart();
    io.run();
    REQUIRE(called_at);
    CHECK(*called_at >= deadline);
}

TEST_CASE("a clock that stands still takes new deadlines for later", "[clock]")
{
    boost::asio::io_context io;
    vmm::AsioClock clock{io, 0s};
    unsigned calls = 0;
    clock.on_deadline([&] { ++calls; });
    clock.stop();
    clock.arm(clock.now());
    io.run();
    CHECK(calls == 0);
    clock.go_on();
    io.restart();
    io.run();
    CHECK(calls == 1);
}

TEST_CASE("a clock that is gone calls nobody", "[clock]")
{
    boost::asio::io_context io;
    unsigned calls = 0;
    {
        vmm::AsioClock clock{io, 0s};
        clock.on_deadline([&] { ++calls; });
        clock.arm(0ns);
    }
    io.run();
    CHECK(calls == 0);
}

TEST_CASE("a clock that is detached calls nobody, and may end on another thread while the loop runs",
          "[clock][threads]")
{
    vmm::EventLoop loop;
    loop.start([](auto const& why) { FAIL_CHECK(why); });
    for (int round = 0; round < 200; ++round) {
        std::optional<vmm::AsioClock> clock{std::in_place, loop.io(), 0s};
        bool detached = false;
        bool late = false;
        clock->on_deadline([&] {
            late = late || detached;
            clock->arm(clock->now()); // again and again
        });
        clock->arm(0ns);
        loop.run_and_wait([&] {
            clock->detach();
            detached = true;
        });
        clock.reset();
        loop.run_and_wait([] {});
        REQUIRE_FALSE(late);
    }
}

TEST_CASE("a quiesced clock goes on, and its deadline is told when it is resumed", "[clock][quiesce]")
{
    boost::asio::io_context io;
    vmm::AsioClock clock{io, 0s};
    unsigned calls = 0;
    clock.on_deadline([&] { ++calls; });
    clock.arm(clock.now() + 2ms);
    clock.quiesce({});
    auto const before = clock.now();
    io.run(); // to the deadline
    CHECK(calls == 0);
    CHECK(clock.now() > before);

    clock.resume();
    io.restart();
    io.run();
    CHECK(calls == 1);
    clock.resume();
    io.restart();
    io.run();
    CHECK(calls == 1);
}
