#include "devices/vmbus/channel/channel_worker.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/rest.hpp"
#include "hv/testing/threads.hpp"
#include "hv/testing/vmbus_guest.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace devices::vmbus {

namespace {

/// A runner whose tasks a test counts, and whose thread it may be on.
struct CountingRunner final : hv::vmbus::Runner {
    void run(std::function<void()> task) override
    {
        ++tasks;
        executor.run(std::move(task));
    }
    bool runs_here() const override { return here; }

    hv::testing::CrankedExecutor executor;
    std::atomic<unsigned> tasks{0};
    std::atomic<bool> here{false};
};

/// Serves `packets`, one at a time.
struct Counter final : Served, std::enable_shared_from_this<Counter> {
    explicit Counter(hv::vmbus::Runner& runner, TurnLimits limits = {.packets = 4}) : worker{*this, runner, limits} {}

    Left serve(Turn& turn) override
    {
        ++turns;
        if (on_turn) on_turn(turn);
        for (; packets > 0; --packets) {
            if (turn.over()) return Left::Some;
            turn.count_packet();
            turn.count_bytes(bytes);
            ++served;
        }
        return Left::Nothing;
    }
    std::weak_ptr<void> owner() override { return weak_from_this(); }

    unsigned packets = 0;
    std::uint64_t bytes = 0; ///< that each of them moves
    unsigned served = 0;
    unsigned turns = 0;
    std::function<void(Turn&)> on_turn;
    ChannelWorker worker;
};

} // namespace

TEST_CASE("a signal is served on its own thread, but not on the runner's", "[worker]")
{
    CountingRunner runner;
    auto const counter = std::make_shared<Counter>(runner);
    counter->packets = 3;
    counter->worker.signal();
    CHECK(counter->served == 3);
    CHECK(runner.tasks == 0);

    runner.here = true;
    counter->packets = 3;
    counter->worker.signal();
    CHECK(counter->served == 3);
    CHECK(runner.executor.crank() == 1);
    CHECK(counter->served == 6);
}

TEST_CASE("what is more than a turn is served on the runner, a turn at a time", "[worker]")
{
    CountingRunner runner;
    auto const counter = std::make_shared<Counter>(runner);
    bool other_ran = false;
    counter->packets = 10;
    counter->worker.signal();
    CHECK(counter->served == 4);
    runner.run([&] { other_ran = true; });
    counter->on_turn = [&](Turn& turn) {
        CHECK(turn.on_runner());
        CHECK(other_ran == (counter->served > 4));
    };
    runner.executor.crank();
    CHECK(counter->served == 10);
    CHECK(counter->turns == 3);
}

TEST_CASE("bytes end a turn as packets do", "[worker]")
{
    CountingRunner runner;
    auto const counter = std::make_shared<Counter>(runner, TurnLimits{.packets = 100, .bytes = 1000});
    counter->bytes = 600;
    counter->packets = 3;
    counter->worker.signal();
    CHECK(counter->served == 2);
    runner.executor.crank();
    CHECK(counter->served == 3);
}

TEST_CASE("however often a channel is signalled, one task waits", "[worker][hostile]")
{
    CountingRunner runner;
    auto const counter = std::make_shared<Counter>(runner);
    counter->packets = 5;
    for (unsigned i = 0; i < 100'000; ++i)
        counter->worker.signal();
    for (unsigned i = 0; i < 100'000; ++i)
        counter->worker.post();
    CHECK(runner.tasks == 1);
    CHECK(runner.executor.crank() == 1);
    CHECK(counter->served == 5);
}

TEST_CASE("a signal during a turn makes it look again, but not without end", "[worker][hostile]")
{
    CountingRunner runner;
    auto const counter = std::make_shared<Counter>(runner);
    unsigned signals = 1;
    counter->on_turn = [&](Turn&) {
        if (signals > 0) counter->worker.signal();
        if (signals > 0) --signals;
    };
    counter->worker.signal();
    CHECK(counter->turns == 2);

    signals = 1000; // a second VP that does nothing but signal
    counter->turns = 0;
    counter->worker.signal();
    CHECK(counter->turns == 5);
    CHECK(runner.tasks == 1);
    runner.executor.crank();
    CHECK(counter->turns == 1001);
}

TEST_CASE("a held worker serves nothing, and all of it once it is released", "[worker]")
{
    CountingRunner runner;
    auto const counter = std::make_shared<Counter>(runner);
    {
        ChannelWorker::Hold const hold{counter->worker};
        counter->packets = 2;
        counter->worker.signal();
        counter->worker.post();
        runner.executor.crank();
        CHECK(counter->served == 0);
        {
            ChannelWorker::Hold const another{counter->worker};
        }
        runner.executor.crank();
        CHECK(counter->served == 0);
    }
    CHECK(counter->served == 0); // not on the thread that releases
    runner.executor.crank();
    CHECK(counter->served == 2);

    {
        ChannelWorker::Hold const hold{counter->worker};
    }
    CHECK(runner.executor.crank() == 0);
}

TEST_CASE("a turn ends after the packet during which it is held", "[worker]")
{
    CountingRunner runner;
    auto const counter = std::make_shared<Counter>(runner);
    counter->packets = 3;
    counter->on_turn = [&](Turn& turn) {
        counter->worker.hold();
        CHECK(turn.over());
        counter->on_turn = nullptr;
    };
    counter->worker.signal();
    CHECK(counter->served == 0);
    counter->worker.release();
    runner.executor.crank();
    CHECK(counter->served == 3);
}

TEST_CASE("a quiesced worker is busy until its turn ends, and serves nothing before it is resumed",
          "[worker][quiesce]")
{
    CountingRunner runner;
    auto const counter = std::make_shared<Counter>(runner);
    hv::testing::Rest rest;
    counter->packets = 3;
    counter->on_turn = [&](Turn& turn) {
        counter->worker.quiesce(rest.last());
        CHECK_FALSE(rest.reached());
        CHECK(turn.over());
        counter->on_turn = nullptr;
    };
    counter->worker.signal();
    CHECK(rest.reached());
    counter->worker.signal();
    counter->worker.post();
    {
        ChannelWorker::Hold const close{counter->worker};
    }
    runner.executor.crank();
    CHECK(counter->served == 0);

    counter->worker.resume();
    counter->worker.resume(); // it is not quiesced any more
    runner.executor.crank();
    CHECK(counter->served == 3);

    hv::testing::Rest again;
    counter->worker.quiesce(again.last());
    CHECK(again.reached()); // nothing was under way
    counter->worker.resume();
    CHECK(runner.executor.crank() == 0);
}

TEST_CASE("a task that outlives its device does nothing", "[worker]")
{
    CountingRunner runner;
    auto counter = std::make_shared<Counter>(runner);
    counter->worker.post();
    counter.reset();
    CHECK(runner.executor.crank() == 1);
}

namespace {

/// Packets that several threads add to.
struct Shared final : Served, std::enable_shared_from_this<Shared> {
    explicit Shared(hv::vmbus::Runner& runner) : worker{*this, runner, {.packets = 4}} {}
    Left serve(Turn& turn) override
    {
        std::lock_guard const lock{device};
        if (inside.exchange(true)) ++clashes;
        if (held) ++clashes;
        auto left = Left::Nothing;
        while (ring.load() > 0) {
            if (turn.over()) {
                left = Left::Some;
                break;
            }
            turn.count_packet();
            --ring;
            ++served;
        }
        inside = false;
        return left;
    }
    std::weak_ptr<void> owner() override { return weak_from_this(); }

    std::atomic<unsigned> ring{0};
    std::atomic<unsigned> served{0};
    std::atomic<unsigned> clashes{0};
    std::atomic<bool> inside{false};
    std::atomic<bool> held{false};
    std::mutex device;
    ChannelWorker worker;
};

} // namespace

TEST_CASE("one thread at a time serves, no signal is lost, and a hold is heard while VPs refill the ring",
          "[worker][threads]")
{
    constexpr unsigned rounds = 2000;
    constexpr unsigned signallers = 2;

    CountingRunner runner;
    auto const shared = std::make_shared<Shared>(runner);
    std::atomic<unsigned> running{signallers};
    std::atomic<unsigned> sent{0};
    auto const vp = [&] {
        for (unsigned i = 0; i < rounds; ++i) {
            shared->ring += 3;
            sent += 3;
            shared->worker.signal();
        }
        --running;
    };
    hv::testing::run_together({
        vp,
        vp,
        [&] { // the runner
            while (running > 0) {
                runner.executor.crank();
                std::this_thread::yield();
            }
        },
        [&] { // whoever pauses the guest
            while (running > 0) {
                hv::testing::Rest rest;
                shared->worker.quiesce(rest.last());
                rest.wait();
                if (shared->inside) ++shared->clashes;
                shared->worker.resume();
            }
        },
        [&] { // whoever closes the channel
            while (running > 0) {
                ChannelWorker::Hold const hold{shared->worker};
                std::lock_guard const lock{shared->device};
                shared->held = true;
                std::this_thread::yield();
                shared->held = false;
            }
        },
    });
    runner.executor.crank();
    CHECK(shared->served == sent);
    CHECK(shared->ring == 0);
    CHECK(shared->clashes == 0);
}

} // namespace devices::vmbus
