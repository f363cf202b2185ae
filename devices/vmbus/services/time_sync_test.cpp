#include "devices/vmbus/services/testing/ic_guest.hpp"
#include "devices/vmbus/services/time_sync.hpp"

using namespace devices::vmbus;
using namespace std::chrono_literals;
using testing::IcGuest;

namespace {

constexpr std::uint64_t unix_epoch = 116'444'736'000'000'000; // 100 ns since 1601

struct Setting {
    IcGuest guest;
    TimeReading now{1'700'000'000s, 5000s, 4000s, 123'456'789};
    std::shared_ptr<TimeSyncService> service =
        std::make_shared<TimeSyncService>(guest.executor, [this] { return now; });

    void pass(std::chrono::milliseconds time)
    {
        now.wall += time;
        now.boot += time;
        now.monotonic += time;
        now.reference += static_cast<std::uint64_t>(time.count()) * 10'000;
        guest.executor.advance(time);
    }

    /// Takes a message of version 4 and answers it.
    ic::ReferenceTimeSample next()
    {
        auto const question = guest.next();
        REQUIRE(question);
        CHECK(question->header.type == ic::MessageType::TimeSync);
        guest.answer(*question, ic::status::success, question->body);
        return question->as<ic::ReferenceTimeSample>();
    }
};

} // namespace

TEST_CASE("the guest's clock is set when the guest starts", "[services][timesync]")
{
    Setting s;
    s.guest.open(s.service, {4, 0});
    auto const message = s.next();
    CHECK(message.flags == ic::time_flags::sync);
    CHECK(message.host_time == unix_epoch + 1'700'000'000ULL * 10'000'000);
    CHECK(message.reference_time == 123'456'789);
}

TEST_CASE("then it gets a sample every five seconds", "[services][timesync]")
{
    Setting s;
    s.guest.open(s.service, {4, 0});
    s.next();
    for (unsigned i = 1; i < 5; ++i) {
        s.pass(4999ms);
        CHECK_FALSE(s.guest.next());
        s.pass(1ms);
        auto const message = s.next();
        CHECK(message.flags == ic::time_flags::sample);
        CHECK(message.host_time == unix_epoch + (1'700'000'000ULL + 5 * i) * 10'000'000);
        CHECK(message.reference_time == 123'456'789 + 50'000'000 * i);
    }
}

TEST_CASE("the guest's clock is set again after the host's has jumped, or its own has stood still",
          "[services][timesync]")
{
    Setting s;
    s.guest.open(s.service, {4, 0});
    s.next();
    SECTION("the host slept")
    {
        s.now.boot += 1h;
        s.now.wall += 1h;
    }
    SECTION("the guest was paused")
    {
        s.now.reference -= 100'000'000;
    }
    SECTION("its clock was set forth")
    {
        s.now.wall += 200ms;
    }
    SECTION("its clock was set back")
    {
        s.now.wall -= 3600s;
    }
    s.pass(5s);
    CHECK(s.next().flags == ic::time_flags::sync);
    s.pass(5s);
    CHECK(s.next().flags == ic::time_flags::sample);
}

TEST_CASE("steering the host's clock is no jump", "[services][timesync]")
{
    Setting s;
    s.guest.open(s.service, {4, 0});
    s.next();
    for (unsigned i = 0; i < 100; ++i) {
        s.now.wall += 3ms; // more than 500 ppm
        s.pass(5s);
        REQUIRE(s.next().flags == ic::time_flags::sample);
    }
}

TEST_CASE("a jump while the guest owes an answer is told when it has answered", "[services][timesync]")
{
    Setting s;
    s.guest.open(s.service, {4, 0});
    auto const first = s.guest.next();
    REQUIRE(first);
    s.now.wall += 10s;
    s.pass(5s);
    s.pass(5s);
    CHECK_FALSE(s.guest.next());
    s.guest.answer(*first, ic::status::success, first->body);
    s.pass(5s);
    CHECK(s.next().flags == ic::time_flags::sync);
}

TEST_CASE("before version 4 a sample has no reference time", "[services][timesync]")
{
    auto const version = GENERATE(ic::Version{1, 0}, ic::Version{3, 0});
    Setting s;
    s.guest.open(s.service, version, {1, 0});
    auto const question = s.guest.next();
    REQUIRE(question);
    auto const message = question->as<ic::TimeSample>();
    CHECK(message.host_time == unix_epoch + 1'700'000'000ULL * 10'000'000);
    CHECK(message.flags == ic::time_flags::sync);
}

TEST_CASE("a guest that opens the channel anew gets its clock set anew", "[services][timesync]")
{
    Setting s;
    s.guest.open(s.service, {4, 0});
    s.next();
    s.service->close();
    s.guest.open(s.service, {4, 0});
    CHECK(s.next().flags == ic::time_flags::sync);
}

TEST_CASE("the host's clocks are read", "[services][timesync]")
{
    auto const now = read_host_clocks([] { return 42; });
    CHECK(now.reference == 42);
    CHECK(now.wall > 1'600'000'000s);
    CHECK(now.boot >= now.monotonic);
    CHECK(now.monotonic > 0s);
}
