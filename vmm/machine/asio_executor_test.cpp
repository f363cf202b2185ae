#include "hv/testing/catch.hpp"
#include "vmm/machine/asio_executor.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <string>

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
