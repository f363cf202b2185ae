#include "devices/vmbus/services/heartbeat.hpp"
#include "devices/vmbus/services/testing/ic_guest.hpp"

using namespace devices::vmbus;
using namespace std::chrono_literals;
using testing::IcGuest;
using State = HeartbeatService::State;

namespace {

struct Setting {
    IcGuest guest;
    std::shared_ptr<HeartbeatService> service = std::make_shared<HeartbeatService>(guest.executor);

    /// Answers one question as Linux does, and says what the applications are like.
    bool beat(std::uint32_t applications = 0)
    {
        auto const question = guest.next();
        if (!question) return false;
        auto message = question->as<ic::Heartbeat>();
        ++message.number;
        message.application_state = applications;
        guest.answer(*question, ic::status::success, testing::bytes_of(message));
        return true;
    }
};

} // namespace

TEST_CASE("the guest's heart is asked for every two seconds", "[services][heartbeat]")
{
    Setting s;
    CHECK(s.service->status().state == State::NoContact);
    s.guest.open(s.service, {3, 0});
    CHECK(s.beat());
    for (unsigned i = 2; i < 10; ++i) {
        s.guest.executor.advance(1999ms);
        CHECK_FALSE(s.beat());
        s.guest.executor.advance(1ms);
        CHECK(s.beat());
        CHECK(s.service->status().beats == i);
    }
    CHECK(s.service->status().state == State::Ok);
}

TEST_CASE("a guest without answers is lost after three periods, and found with the next", "[services][heartbeat]")
{
    Setting s;
    s.guest.open(s.service, {3, 0});
    s.guest.executor.advance(5s);
    CHECK(s.service->status().state == State::Ok);
    s.guest.executor.advance(1s);
    CHECK(s.service->status().state == State::Lost);
    s.guest.executor.advance(1h);
    CHECK(s.beat());
    CHECK_FALSE(s.guest.next()); // nothing has piled up
    CHECK(s.service->status().state == State::Ok);

    s.service->close();
    CHECK(s.service->status().state == State::NoContact);
}

TEST_CASE("how applications are is said from version 3 on", "[services][heartbeat]")
{
    Setting s;
    s.guest.open(s.service, {3, 0});
    s.beat(1);
    CHECK(s.service->status().applications == HeartbeatService::Applications::Healthy);
    s.guest.executor.advance(2s);
    s.beat(77);
    CHECK(s.service->status().applications == HeartbeatService::Applications::Unknown);
    s.service->close();

    s.guest.open(s.service, {1, 0}, {1, 0});
    s.beat(1);
    CHECK(s.service->status().applications == HeartbeatService::Applications::Unknown);
    CHECK(s.service->status().beats == 1);
}

TEST_CASE("a wrong number is no heartbeat", "[services][heartbeat][hostile]")
{
    Setting s;
    s.guest.open(s.service, {3, 0});
    auto const question = s.guest.next();
    s.guest.answer(*question, ic::status::success, question->body); // not counted on
    CHECK(s.service->status().beats == 0);
    s.guest.executor.advance(2s);
    s.guest.answer(*s.guest.next(), ic::status::success, {}); // no number at all
    CHECK(s.service->status().beats == 0);
}

TEST_CASE("opening and closing without end leaves one timer", "[services][heartbeat][hostile]")
{
    Setting s;
    for (unsigned i = 0; i < 100; ++i) {
        s.guest.open(s.service, {3, 0});
        s.service->close();
    }
    CHECK(s.guest.executor.waiting() == 1);
    s.guest.executor.advance(2s);
    CHECK(s.guest.executor.waiting() == 0);
}
