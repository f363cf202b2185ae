/// Threads that wait to run vCPUs.
#include "hv/testing/catch.hpp"
#include "vmm/children/vcpu_pool.hpp"

#include <atomic>
#include <thread>
#include <utility>

using vmm::VcpuPool;

TEST_CASE("a thread is taken once, does what it is given, and can be taken again", "[children]")
{
    VcpuPool pool{2};
    auto first = pool.take();
    auto second = pool.take();
    REQUIRE(first);
    REQUIRE(second);
    CHECK_FALSE(pool.take());

    std::atomic<bool> may_end{false};
    std::thread::id ran_on;
    first.run([&] {
        ran_on = std::this_thread::get_id();
        may_end.wait(false);
    });
    std::thread::id other;
    second.run([&] { other = std::this_thread::get_id(); });
    second.wait(); // while the first is busy
    may_end = true;
    may_end.notify_all();
    first.wait();
    CHECK(ran_on != other);
    CHECK(ran_on != std::this_thread::get_id());

    {
        auto const given_back = std::move(first);
    }
    auto again = pool.take();
    REQUIRE(again);
    unsigned times = 0;
    again.run([&] { ++times; });
    again.wait();
    CHECK(times == 1);
}

TEST_CASE("a pool ends with threads that nobody has taken, and one of none has none", "[children]")
{
    VcpuPool const unused{3};
    VcpuPool none{0};
    CHECK_FALSE(none.take());
}
