#include "hv/testing/catch.hpp"
#include "vmm/machine/asio_executor.hpp"

#include <boost/asio/io_context.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>

using namespace std::chrono_literals;

TEST_CASE("while tasks are held none runs, and they come in order when they are released", "[executor][quiesce]")
{
    boost::asio::io_context io;
    vmm::AsioExecutor executor{io};
    std::string ran;
    executor.run_after(5ms, [&] { ran += 't'; });
    io.poll(); // its time runs
    io.restart();
    executor.run([&] { ran += 'a'; });
    executor.hold([&] { ran += 'h'; });
    executor.run([&] { ran += 'b'; });
    io.run(); // until only what is held is left
    CHECK(ran.substr(0, 2) == "ah");
    CHECK(ran.find('t') == std::string::npos);
    executor.run([&] { ran += 'c'; });

    executor.release([&] { ran += 'r'; });
    io.restart();
    io.run();
    CHECK(ran.ends_with("rbtc"));
    executor.release([&] { ran += 'x'; }); // nothing is held
    executor.run([&] { ran += 'd'; });
    io.restart();
    io.run();
    CHECK(ran.ends_with("rbtcd"));
}

TEST_CASE("a release that follows a hold at once leaves nothing held", "[executor][quiesce]")
{
    boost::asio::io_context io;
    vmm::AsioExecutor executor{io};
    unsigned ran = 0;
    executor.run([&] { ++ran; });
    executor.hold([] {});
    executor.release([] {});
    executor.run([&] { ++ran; });
    io.run();
    CHECK(ran == 2);
}

TEST_CASE("an executor that is detached while tasks are held forgets them", "[executor][quiesce]")
{
    boost::asio::io_context io;
    vmm::AsioExecutor executor{io};
    executor.hold([] {});
    executor.run([] { FAIL("it ran"); });
    io.run();
    executor.detach();
    executor.release([] { FAIL("nobody is there"); });
    io.restart();
    io.run();
}

TEST_CASE("an executor that has ended runs nothing", "[executor]")
{
    boost::asio::io_context io;
    vmm::AsioExecutor executor{io};
    executor.run([] { FAIL("it ran"); });
    executor.run_after(0ms, [] { FAIL("its time came"); });
    executor.end();
    executor.run([] { FAIL("nobody is there"); });
    io.run();
}

TEST_CASE("an executor's end waits for the task that runs, and no other one begins", "[executor][threads]")
{
    boost::asio::io_context io;
    vmm::AsioExecutor executor{io};
    std::promise<void> began;
    std::promise<void> goes_on;
    std::atomic<bool> ended{false};
    std::atomic<unsigned> later{0};
    executor.run([&] {
        began.set_value();
        goes_on.get_future().wait();
        ended = true;
    });
    executor.run([&] { ++later; });
    executor.run_after(0ms, [&] { ++later; });
    std::thread loop{[&] { io.run(); }};
    began.get_future().wait();
    std::thread other{[&] { goes_on.set_value(); }};
    executor.end();
    CHECK(ended);
    auto const before = later.load(); // those that came between
    executor.run([&] { ++later; });
    other.join();
    loop.join();
    CHECK(later == before);
}
