#include "devices/vmbus/services/shutdown.hpp"
#include "devices/vmbus/services/testing/ic_guest.hpp"

using namespace devices::vmbus;
using namespace std::chrono_literals;
using testing::IcGuest;
using What = ShutdownService::What;
using Result = ShutdownService::Result;

namespace {

struct Setting {
    IcGuest guest;
    std::shared_ptr<ShutdownService> service = std::make_shared<ShutdownService>(guest.executor);
    std::vector<Result> results;

    void request(What what)
    {
        service->request(what, [this](auto result) { results.push_back(result); });
    }
};

} // namespace

TEST_CASE("the guest is told to go down, to start anew or to hibernate", "[services][shutdown]")
{
    auto const [what, flags] =
        GENERATE(table<What, std::uint32_t>({{What::PowerOff, 1}, {What::Reboot, 3}, {What::Hibernate, 5}}));
    Setting s;
    s.guest.open(s.service, {3, 2});
    s.request(what);
    auto const question = s.guest.next();
    REQUIRE(question);
    CHECK(question->header.type == ic::MessageType::Shutdown);
    CHECK(question->header.message == ic::Version{3, 2});
    auto const message = question->as<ic::Shutdown>();
    CHECK(message.flags == flags);
    CHECK(message.reason == 0x8000'0000);
    CHECK(message.timeout_seconds > 0);
    CHECK(s.results.empty());

    s.guest.answer(*question, ic::status::success, question->body);
    CHECK(s.results == std::vector{Result::Accepted});
}

TEST_CASE("a guest may refuse to go down", "[services][shutdown]")
{
    Setting s;
    s.guest.open(s.service, {1, 0}, {1, 0});
    s.request(What::PowerOff);
    s.guest.answer(*s.guest.next(), ic::status::failed, {});
    CHECK(s.results == std::vector{Result::Refused});
}

TEST_CASE("older versions have no reboot and no hibernation", "[services][shutdown]")
{
    Setting s;
    s.guest.open(s.service, {3, 0});
    s.request(What::Reboot);
    s.request(What::Hibernate);
    CHECK(s.results == std::vector{Result::NotSupported, Result::NotSupported});
    s.service->close();

    s.guest.open(s.service, {3, 1});
    s.results.clear();
    s.request(What::Hibernate);
    CHECK(s.results == std::vector{Result::NotSupported});
    s.request(What::Reboot);
    CHECK(s.guest.next());
}

TEST_CASE("without a driver in the guest, nobody can be asked to go down", "[services][shutdown]")
{
    Setting s;
    s.request(What::PowerOff);
    s.guest.open(s.service); // not negotiated yet
    s.request(What::PowerOff);
    CHECK(s.results == std::vector{Result::NotReady, Result::NotReady});
}

TEST_CASE("a request ends when its time is up, and then its answer means nothing", "[services][shutdown]")
{
    Setting s;
    s.guest.open(s.service, {3, 2});
    s.request(What::PowerOff);
    auto const first = s.guest.next();
    s.request(What::PowerOff); // one at a time
    CHECK(s.results == std::vector{Result::NotReady});
    s.guest.executor.advance(9s);
    CHECK(s.results.size() == 1);
    s.guest.executor.advance(1s);
    CHECK(s.results == std::vector{Result::NotReady, Result::TimedOut});

    s.guest.answer(*first, ic::status::success, {});
    CHECK(s.results.size() == 2);
    s.request(What::PowerOff);
    s.guest.answer(*s.guest.next(), ic::status::success, {});
    CHECK(s.results.back() == Result::Accepted);
    s.guest.executor.advance(20s);
    CHECK(s.results.size() == 3);
}

TEST_CASE("a request ends when the guest closes the channel", "[services][shutdown]")
{
    Setting s;
    s.guest.open(s.service, {3, 2});
    s.request(What::PowerOff);
    s.service->close();
    CHECK(s.results == std::vector{Result::Gone});
}
