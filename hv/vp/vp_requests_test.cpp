/// VPs that ask each other's threads for something: nobody waits for ever, and each request is done once, on the
/// right thread, or refused. Meant for ThreadSanitizer.
#include "hv/testing/catch.hpp"
#include "hv/testing/threads.hpp"
#include "hv/testing/world.hpp"
#include "hv/vp/vp_requests.hpp"

#include <atomic>
#include <deque>
#include <thread>

using namespace hv;
using namespace hv::testing;
using namespace std::chrono_literals;

namespace {

constexpr auto patience = 180s; // only a test that hangs comes to its end

/// A VP whose thread looks for a kick between two steps, as a vCPU does when it has left the guest.
struct ThreadedVp {
    std::atomic<bool> kicked{false};
    FakeVpControl control;
    VpRequests requests{control};
    std::thread::id thread;
    std::uint64_t touched = 0; // a register: unguarded, so that the sanitizer sees who touches it

    ThreadedVp()
    {
        control.on_kick = [this] { kicked.store(true); };
    }
    ThreadedVp(ThreadedVp const&) = delete;
    ThreadedVp& operator=(ThreadedVp const&) = delete;

    void serve_if_kicked()
    {
        if (kicked.exchange(false)) requests.serve();
    }
};

} // namespace

TEST_CASE("VPs that ask each other at once do not wait for each other for ever", "[registers][threads]")
{
    constexpr unsigned count = 4;
    constexpr unsigned rounds = 2000;
    std::deque<ThreadedVp> vps(count);
    std::atomic<unsigned> running{count};
    std::array<std::uint64_t, count> done{};
    std::array<std::uint64_t, count> wrong_thread{};
    for (auto& vp : vps)
        vp.requests.open();

    std::vector<std::function<void()>> bodies;
    for (unsigned i = 0; i < count; ++i) {
        bodies.emplace_back([&, i] {
            auto& own = vps[i];
            own.thread = std::this_thread::get_id();
            Choices choices{i};
            for (unsigned round = 0; round < rounds; ++round) {
                own.serve_if_kicked();
                auto& other = vps[(i + 1 + choices.below(count - 1)) % count];
                bool const ok = own.requests.have_done(other.requests, [&] {
                    ++other.touched;
                    if (std::this_thread::get_id() != other.thread) ++wrong_thread[i];
                });
                if (ok) ++done[i];
                ++own.touched;
            }
            --running;
            Patience const time{patience};
            while (running.load() != 0 && time.lasts()) {
                own.serve_if_kicked();
                std::this_thread::yield();
            }
        });
    }
    run_together(bodies);

    std::uint64_t touched = 0;
    for (unsigned i = 0; i < count; ++i) {
        CHECK(done[i] == rounds);
        CHECK(wrong_thread[i] == 0);
        touched += vps[i].touched;
    }
    CHECK(touched == 2 * count * rounds);
}

TEST_CASE("a VP that ends while others ask it refuses them; each request was done once or not at all",
          "[registers][threads]")
{
    constexpr unsigned askers = 3;
    for (unsigned attempt = 0; attempt < 200; ++attempt) {
        std::deque<ThreadedVp> vps(askers + 1);
        auto& target = vps[askers];
        std::array<std::uint64_t, askers> done{};
        for (auto& vp : vps)
            vp.requests.open();

        std::vector<std::function<void()>> bodies;
        for (unsigned i = 0; i < askers; ++i) {
            bodies.emplace_back([&, i] {
                Patience const time{patience};
                while (time.lasts() && vps[i].requests.have_done(target.requests, [&] { ++target.touched; }))
                    ++done[i];
            });
        }
        bodies.emplace_back([&] {
            // On a loaded machine each step is a turn of everything else that runs.
            for (unsigned steps = 0; steps < attempt % 20; ++steps) {
                target.serve_if_kicked();
                std::this_thread::yield();
            }
            target.requests.close();
        });
        run_together(bodies);
        CHECK(target.touched == done[0] + done[1] + done[2]);
    }
}

TEST_CASE("a VP that is to stop gives up waiting for one that does not answer", "[registers][threads]")
{
    for (unsigned attempt = 0; attempt < 200; ++attempt) {
        std::deque<ThreadedVp> vps(2);
        vps[0].requests.open();
        vps[1].requests.open(); // and nobody serves it
        bool done = true;
        bool performed = false;
        run_together({[&] { done = vps[0].requests.have_done(vps[1].requests, [&] { performed = true; }); },
                      [&] { vps[0].requests.close(); }});
        CHECK_FALSE(done);
        CHECK_FALSE(performed);
        vps[1].requests.serve(); // finds nothing of what is gone
    }
}

TEST_CASE("what is asked of a VP that waits is done by the asker, which does not kick it", "[registers][threads]")
{
    ThreadedVp asker;
    ThreadedVp target;
    asker.requests.open();
    target.requests.open();
    std::atomic<bool> waits{false};
    bool suspended = true; // changed by requests alone
    std::jthread const waiting{[&] {
        target.requests.serve_until([&] {
            waits.store(true);
            return !suspended;
        });
        ++target.touched;
    }};
    while (!waits.load())
        std::this_thread::yield();
    std::thread::id worker;
    CHECK(asker.requests.have_done(target.requests, [&] {
        worker = std::this_thread::get_id();
        ++target.touched;
    }));
    CHECK(worker == std::this_thread::get_id());
    CHECK(asker.requests.have_done(target.requests, [&] { suspended = false; })); // and it wakes
    CHECK_FALSE(target.kicked.load());
}

TEST_CASE("of those that ask a VP which runs and waits by turns one at a time touches it", "[registers][threads]")
{
    constexpr unsigned askers = 3;
    constexpr unsigned rounds = 3000;
    std::deque<ThreadedVp> vps(askers + 1);
    auto& target = vps[askers];
    for (auto& vp : vps)
        vp.requests.open();
    std::atomic<bool> suspended{false};
    std::atomic<unsigned> running{askers};
    std::array<std::uint64_t, askers> done{};

    std::vector<std::function<void()>> bodies;
    for (unsigned i = 0; i < askers; ++i) {
        bodies.emplace_back([&, i] {
            Choices choices{i};
            for (unsigned round = 0; round < rounds; ++round) {
                bool const suspends = choices.below(3) == 0;
                bool const ok = vps[i].requests.have_done(target.requests, [&] {
                    ++target.touched;
                    suspended.store(suspends);
                });
                if (ok) ++done[i];
            }
            if (--running == 0) target.requests.wake();
        });
    }
    bodies.emplace_back([&] {
        Patience const time{patience};
        while (running.load() != 0 && time.lasts()) {
            target.serve_if_kicked();
            if (suspended.load()) {
                target.requests.serve_until([&] { return !suspended.load() || running.load() == 0; });
                ++target.touched;
                --target.touched;
            }
            std::this_thread::yield();
        }
    });
    run_together(bodies);
    CHECK(done == std::array<std::uint64_t, askers>{rounds, rounds, rounds});
    CHECK(target.touched == askers * rounds);
}

TEST_CASE("a VP that waits leaves when it is closed, after the work that another does in its place",
          "[registers][threads]")
{
    for (unsigned attempt = 0; attempt < 200; ++attempt) {
        std::deque<ThreadedVp> vps(2);
        auto& asker = vps[0];
        auto& target = vps[1];
        asker.requests.open();
        target.requests.open();
        std::atomic<bool> stopping{false};
        std::uint64_t done = 0;
        run_together({[&] {
                          while (asker.requests.have_done(target.requests, [&] { ++target.touched; }))
                              ++done;
                      },
                      [&] {
                          target.requests.serve_until([&] { return stopping.load(); });
                          ++target.touched;
                          target.requests.close();
                      },
                      [&] {
                          for (unsigned steps = 0; steps < attempt % 20; ++steps)
                              std::this_thread::yield();
                          stopping.store(true);
                          target.requests.close();
                          target.requests.wake();
                      }});
        CHECK(target.touched == done + 1);
    }
}

TEST_CASE("requests to a VP that is not open are refused at once, and it is not kicked", "[registers]")
{
    std::deque<ThreadedVp> vps(2);
    auto const nothing = [] { FAIL("was done"); };
    vps[0].requests.open();
    CHECK_FALSE(vps[0].requests.have_done(vps[1].requests, nothing));
    vps[1].requests.open();
    vps[1].requests.close();
    CHECK_FALSE(vps[0].requests.have_done(vps[1].requests, nothing));
    CHECK_FALSE(vps[1].kicked.load());
}

TEST_CASE("what nobody waits for is done by the VP's thread, or let go when it ends", "[registers][threads]")
{
    ThreadedVp vp;
    std::atomic<unsigned> done{0};
    CHECK_FALSE(vp.requests.have_done_later([&] { ++done; })); // not open yet
    vp.requests.open();
    for (unsigned round = 1; round <= 8; ++round)
        CHECK(vp.requests.have_done_later([&] { ++done; }));
    CHECK_FALSE(vp.requests.have_done_later([&] { ++done; })); // as many as it takes
    CHECK(done == 0);
    std::thread{[&] { vp.serve_if_kicked(); }}.join();
    CHECK(done == 8);

    auto const kept = std::make_shared<int>(0);
    CHECK(vp.requests.have_done_later([kept, &done] { ++done; }));
    CHECK(kept.use_count() == 2);
    vp.requests.close();
    CHECK(kept.use_count() == 1);
    CHECK(done == 8);
}

TEST_CASE("a VP that waits for another does its errands meanwhile", "[registers][threads]")
{
    ThreadedVp asker;
    ThreadedVp target;
    asker.requests.open();
    target.requests.open();
    std::atomic<bool> done{false};
    std::jthread const waiting{[&] { (void)asker.requests.have_done(target.requests, [] {}); }};
    while (!target.requests.waiting())
        std::this_thread::yield();
    CHECK(asker.requests.have_done_later([&] { done = true; }));
    for (Patience time{patience}; !done && time.lasts();)
        std::this_thread::yield();
    CHECK(done);
    target.requests.close();
}
