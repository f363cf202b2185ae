/// A service whose state was put into another one goes on with the guest as the first would have.
#include "devices/vmbus/services/heartbeat.hpp"
#include "devices/vmbus/services/key_value.hpp"
#include "devices/vmbus/services/shutdown.hpp"
#include "devices/vmbus/services/testing/ic_guest.hpp"
#include "devices/vmbus/services/time_sync.hpp"
#include "hv/testing/moved_conversation.hpp"

using namespace devices::vmbus;
using namespace std::chrono_literals;
using testing::bytes_of;
using testing::IcGuest;
using testing::inspected;

namespace {

/// What a service asks and tells of itself over some periods, in one of which the guest does not answer. It goes on
/// in another one before that step.
hv::testing::Heard<std::map<std::string, std::string, std::less<>>> heartbeats(std::size_t move_before)
{
    constexpr unsigned steps = 12;
    std::vector<std::map<std::string, std::string, std::less<>>> told;
    IcGuest guest;
    auto service = std::make_shared<HeartbeatService>(guest.executor);
    guest.open(service);
    for (unsigned step = 0; step < steps; ++step) {
        if (step == move_before) {
            service = std::make_shared<HeartbeatService>(guest.executor);
            guest.go_on_with(service);
        }
        auto const question = step == 5 || step == 6 ? std::nullopt : guest.next();
        testing::Values values;
        service->inspect(values);
        if (question) {
            values.number("transaction", question->header.transaction);
            values.number("size", question->header.size);
        }
        if (question && step == 0) {
            struct {
                ic::Negotiate counts;
                ic::Version versions[2];
            } const body{{1, 1, 0}, {{3, 0}, {3, 0}}};
            guest.answer(*question, ic::status::success, bytes_of(body));
        } else if (question) {
            auto message = question->as<ic::Heartbeat>();
            values.number("number", message.number++);
            message.application_state = step % 4;
            guest.answer(*question, ic::status::success, bytes_of(message));
        }
        told.push_back(values.values);
        guest.executor.advance(HeartbeatService::period);
    }
    return {told, steps};
}

} // namespace

TEST_CASE("the heartbeat goes on elsewhere at any point of the conversation", "[services][heartbeat][state]")
{
    hv::testing::check_moves_anywhere(heartbeats, 12);
}

TEST_CASE("an answer that was in the ring is taken elsewhere", "[services][heartbeat][state]")
{
    IcGuest guest;
    auto const first = std::make_shared<HeartbeatService>(guest.executor);
    guest.open(first, {3, 0});
    auto const question = guest.next();
    REQUIRE(question);
    auto message = question->as<ic::Heartbeat>();
    ++message.number;
    first->quiesce({});
    guest.answer(*question, ic::status::success, bytes_of(message));
    auto const second = std::make_shared<HeartbeatService>(guest.executor);
    guest.go_on_with(second);
    CHECK(second->status().beats == 1);
}

TEST_CASE("a tick that was held is made up for elsewhere", "[services][heartbeat][state]")
{
    IcGuest guest;
    auto const first = std::make_shared<HeartbeatService>(guest.executor);
    guest.open(first, {3, 0});
    first->quiesce({});
    guest.executor.advance(HeartbeatService::period);
    auto const second = std::make_shared<HeartbeatService>(guest.executor);
    guest.go_on_with(second);
    guest.executor.advance(2 * HeartbeatService::period);
    CHECK(second->status().state == HeartbeatService::State::Lost);
}

TEST_CASE("a guest that goes on elsewhere sets its clock", "[services][timesync][state]")
{
    TimeReading now{.wall = 1'700'000'000s, .boot = 500s, .monotonic = 500s};
    IcGuest guest;
    auto const clock = [&now] { return now; };
    guest.open(std::make_shared<TimeSyncService>(guest.executor, clock), {4, 0});
    auto const answer = [&] {
        auto const question = guest.next();
        REQUIRE(question);
        guest.answer(*question, ic::status::success, {});
        return question->as<ic::ReferenceTimeSample>().flags;
    };
    auto const pass = [&] {
        now.wall += TimeSyncService::period;
        now.boot += TimeSyncService::period;
        now.monotonic += TimeSyncService::period;
        now.reference += TimeSyncService::period / 100ns;
        guest.executor.advance(TimeSyncService::period);
    };
    CHECK(answer() == ic::time_flags::sync);
    pass();
    CHECK(answer() == ic::time_flags::sample);

    auto const second = std::make_shared<TimeSyncService>(guest.executor, clock);
    guest.go_on_with(second);
    pass();
    CHECK(answer() == ic::time_flags::sync);
    pass();
    CHECK(answer() == ic::time_flags::sample);
    CHECK(inspected(*second, "syncs") == "2");
    CHECK(inspected(*second, "samples") == "2");
}

TEST_CASE("an answer to who asked elsewhere is taken, and the next request goes out", "[services][kvp][state]")
{
    IcGuest guest;
    auto const first = std::make_shared<KeyValueService>(guest.executor);
    guest.open(first, {4, 0});
    unsigned told = 0;
    first->enumerate(KeyValueService::Pool::Guest, 5s, [&](auto const&) { ++told; });
    auto const asked = guest.next();
    REQUIRE(asked);

    auto const second = std::make_shared<KeyValueService>(guest.executor);
    guest.go_on_with(second);
    std::optional<KeyValueService::Error> error;
    second->remove(KeyValueService::Pool::Guest, "key", 5s, [&](auto const& result) { error = result.error; });
    CHECK_FALSE(guest.next()); // one question at a time
    guest.answer(*asked, ic::status::no_more_items, asked->body);
    auto const next = guest.next();
    REQUIRE(next);
    CHECK(next->header.transaction == asked->header.transaction + 1);
    guest.answer(*next, ic::status::success, next->body);
    CHECK(error == KeyValueService::Error::None);
    CHECK(told == 0);
    CHECK(inspected(*second, "requests_finished") == "1");
    CHECK(inspected(*second, "ignored_packets") == "0");
}

TEST_CASE("a guest that was asked elsewhere to go down answers, and can be asked again", "[services][state]")
{
    IcGuest guest;
    auto const first = std::make_shared<ShutdownService>(guest.executor);
    guest.open(first, {3, 2});
    first->request(ShutdownService::What::PowerOff, [](auto) {});
    auto const asked = guest.next();
    REQUIRE(asked);

    auto const second = std::make_shared<ShutdownService>(guest.executor);
    guest.go_on_with(second);
    std::vector<ShutdownService::Result> results;
    auto const request = [&] {
        second->request(ShutdownService::What::Reboot, [&](auto result) { results.push_back(result); });
    };
    request();
    guest.answer(*asked, ic::status::success, asked->body);
    request();
    auto const again = guest.next();
    REQUIRE(again);
    guest.answer(*again, ic::status::success, again->body);
    CHECK(results == std::vector{ShutdownService::Result::NotReady, ShutdownService::Result::Accepted});
}

TEST_CASE("a service whose saved state is a lie does no harm", "[services][state][hostile]")
{
    bool const open = GENERATE(false, true);
    auto const restore = [&](auto const& service, IcGuest& guest) {
        hv::testing::LyingState liar;
        service->quiesce({});
        guest.channel = std::make_shared<devices::testing::DeviceChannel>(4);
        guest.channel->connect(service.get());
        if (open) service->open(guest.channel);
        service->visit(liar);
        service->resume();
        for (unsigned i = 0; i < 3; ++i) {
            guest.executor.advance(1min);
            guest.channel->send(std::vector(64, std::byte{1}));
        }
        CHECK_FALSE(service->listens());
        CHECK(inspected(*service, "state") == (open ? "no common version" : "closed"));
    };
    IcGuest guest;
    restore(std::make_shared<HeartbeatService>(guest.executor), guest);
    restore(std::make_shared<ShutdownService>(guest.executor), guest);
    restore(std::make_shared<KeyValueService>(guest.executor), guest);
    restore(std::make_shared<TimeSyncService>(guest.executor, [] { return TimeReading{}; }), guest);
}
