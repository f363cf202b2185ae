#include "hv/testing/catch.hpp"
#include "vmm/machine/event_loop.hpp"

#include <boost/asio/post.hpp>

#include <future>
#include <stdexcept>
#include <string>
#include <thread>

TEST_CASE("what is to run on the loop runs there, and has run afterwards", "[loop][threads]")
{
    vmm::EventLoop loop;
    std::thread::id where{};
    loop.run_and_wait([&] { where = std::this_thread::get_id(); });
    CHECK(where == std::this_thread::get_id()); // it has not started yet

    loop.start([](auto const&) {});
    loop.run_and_wait([&] { where = std::this_thread::get_id(); });
    CHECK(where != std::this_thread::get_id());

    loop.stop();
    loop.stop();
    loop.run_and_wait([&] { where = std::this_thread::get_id(); });
    CHECK(where == std::this_thread::get_id());
}

TEST_CASE("a handler that throws is told of, and the loop goes on", "[loop][threads]")
{
    vmm::EventLoop loop;
    std::promise<std::string> told;
    loop.start([&](std::string const& why) { told.set_value(why); });
    boost::asio::post(loop.io(), [] { throw std::runtime_error{"no more memory"}; });
    CHECK(told.get_future().get() == "no more memory");
    bool ran = false;
    loop.run_and_wait([&] { ran = true; });
    CHECK(ran);
}

TEST_CASE("what an awaited action throws comes to who waits", "[loop]")
{
    vmm::EventLoop loop;
    loop.start([](auto const&) {});
    CHECK_THROWS_AS(loop.run_and_wait([] { throw std::runtime_error{"x"}; }), std::runtime_error);
}
