#include "devices/base/guarded.hpp"
#include "hv/testing/catch.hpp"

#include <chrono>
#include <string>
#include <thread>

namespace devices {

namespace {

struct Counter {
    int value = 0;
    bool done = false;
};

using GuardedCounter = Guarded<Counter, LockRank::Leaf>;

void add_one(GuardedCounter::Held& counter)
{
    ++counter->value;
}

} // namespace

TEST_CASE("A guarded value is reached by its lock, which may be passed on", "[guarded]")
{
    GuardedCounter counter{41};
    {
        auto held = counter.lock();
        add_one(held);
    }
    GuardedCounter const& seen = counter;
    CHECK(seen.lock()->value == 42);
    CHECK(counter.try_with([](Counter& now) { return now.value; }) == 42);
}

TEST_CASE("A lock may have a rank of its own", "[guarded]")
{
    GuardedBy<std::string, hv::MutexOfRank> first{LockRank::Card, "card"};
    GuardedBy<std::string, hv::MutexOfRank> const second{LockRank::Ring, "ring"};
    auto const card = first.lock();
    auto const ring = second.lock();
    CHECK(*card + *ring == "cardring");
}

TEST_CASE("A guarded value can be let go of for a while", "[guarded]")
{
    GuardedCounter counter;
    auto held = counter.lock();
    auto const seen = held.unlocked([&] {
        auto const other = counter.lock(); // a debug build would abort, and any other wait forever
        return ++other->value;
    });
    CHECK(seen == 1);
    CHECK_THROWS_AS(held.unlocked([] { throw 7; }), int);
    std::thread{[&] { CHECK_FALSE(counter.try_with([](Counter&) { return true; })); }}.join(); // it is locked again
}

TEST_CASE("Whoever holds a guarded value can wait for others to change it", "[guarded][threads]")
{
    GuardedCounter counter;
    std::condition_variable_any changed;
    std::thread other{[&] {
        {
            auto const held = counter.lock();
            held->value = 1;
        }
        changed.notify_all();
        auto held = counter.lock();
        held.wait(changed, [&] { return held->value == 2; });
        held->done = true;
        changed.notify_all();
    }};
    {
        auto held = counter.lock();
        held.wait(changed, [&] { return held->value == 1; });
        held->value = 2;
        changed.notify_all();
        auto const later = std::chrono::steady_clock::now() + std::chrono::hours{1};
        CHECK(held.wait_until(changed, later, [&] { return held->done; }));
        auto const now = std::chrono::steady_clock::now();
        CHECK_FALSE(held.wait_until(changed, now, [&] { return !held->done; }));
    }
    other.join();
}

} // namespace devices
