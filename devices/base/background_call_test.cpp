#include "devices/base/background_call.hpp"
#include "hv/testing/catch.hpp"

#include <future>
#include <memory>
#include <stdexcept>
#include <thread>
#include <utility>

using namespace devices;
using namespace std::chrono_literals;

namespace {

constexpr Patience long_one{.limit = 1h, .after_stop = 1h};

} // namespace

TEST_CASE("What is done in the background comes back", "[threads]")
{
    auto const here = std::this_thread::get_id();
    auto const there = call_in_background({}, long_one, [] { return std::this_thread::get_id(); });
    REQUIRE(there);
    CHECK(*there != here);
    CHECK_THROWS_AS((void)call_in_background({}, long_one, []() -> int { throw std::runtime_error{"no"}; }),
                    std::runtime_error);
}

TEST_CASE("A body that heeds the wish to stop is waited for", "[threads]")
{
    std::stop_source stop;
    std::promise<void> began;
    std::thread stopper{[&] {
        began.get_future().wait();
        stop.request_stop();
    }};
    auto const result = call_in_background(stop.get_token(), long_one, [&] {
        began.set_value();
        while (!stop.stop_requested())
            std::this_thread::yield();
        return 7;
    });
    stopper.join();
    CHECK(result == 7);
}

TEST_CASE("A body that hangs is left behind, and its result ends with it", "[threads]")
{
    struct Result {
        explicit Result(std::promise<void>* told) : ended{told} {}
        Result(Result&& other) noexcept : ended{std::exchange(other.ended, nullptr)} {}
        Result& operator=(Result&&) = delete;
        ~Result()
        {
            if (ended) ended->set_value();
        }
        std::promise<void>* ended;
    };
    std::promise<void> ended;
    auto goes_on = std::make_shared<std::promise<void>>();
    std::stop_source stop;
    stop.request_stop();
    auto const result = call_in_background(stop.get_token(), {.limit = 1h, .after_stop = 0ms}, [&ended, goes_on] {
        goes_on->get_future().wait();
        return Result{&ended};
    });
    CHECK_FALSE(result);
    goes_on->set_value();
    ended.get_future().wait();
}
