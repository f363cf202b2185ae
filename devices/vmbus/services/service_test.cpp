/// The framing and the negotiation that all services share, seen at the shutdown service.
#include "devices/vmbus/services/shutdown.hpp"
#include "devices/vmbus/services/testing/ic_guest.hpp"

#include <random>

using namespace devices::vmbus;
using testing::bytes_of;
using testing::IcGuest;
using testing::inspected;

namespace {

struct Setting {
    IcGuest guest;
    std::shared_ptr<ShutdownService> service = std::make_shared<ShutdownService>(guest.executor);
    std::vector<ShutdownService::Result> results;

    void ask()
    {
        service->request(ShutdownService::What::PowerOff, [this](auto result) { results.push_back(result); });
    }
};

struct VersionAnswer {
    ic::Negotiate counts;
    ic::Version framework;
    ic::Version message;
};

} // namespace

TEST_CASE("a service is offered as a pipe of messages", "[services]")
{
    Setting s;
    auto const offer = s.service->offer();
    CHECK(to_string(offer.interface) == "0e0b6031-5213-4934-818b-38d90ced39db");
    CHECK((offer.flags & hv::vmbus::channel_flags::named_pipe_mode) != 0);
    CHECK(offer.user_defined[0] == std::byte{4});
}

TEST_CASE("the host begins by naming the versions that it knows", "[services]")
{
    Setting s;
    s.guest.open(s.service);
    auto const question = s.guest.next();
    REQUIRE(question);
    CHECK(question->pipe.type == 1);
    CHECK(question->pipe.size == sizeof(ic::Header) + question->header.size);
    CHECK(question->header.type == ic::MessageType::Negotiate);
    CHECK(question->header.flags == (ic::flags::transaction | ic::flags::request));
    struct Offered {
        ic::Negotiate counts;
        ic::Version framework[2];
        ic::Version message[4];
    };
    auto const offered = question->as<Offered>();
    CHECK(offered.counts.framework_count == 2);
    CHECK(offered.counts.message_count == 4);
    CHECK(offered.framework[1] == ic::Version{3, 0});
    CHECK(offered.message[0] == ic::Version{1, 0});
    CHECK(offered.message[3] == ic::Version{3, 2});
    CHECK(s.guest.channel->interrupts == 1);

    s.guest.answer(*question, ic::status::success, bytes_of(VersionAnswer{{1, 1, 0}, {3, 0}, {3, 2}}));
    CHECK(inspected(*s.service, "state") == "ready");
    CHECK(inspected(*s.service, "version") == "3.2");
}

TEST_CASE("a guest that agrees on nothing that was offered is not asked anything", "[services][hostile]")
{
    auto const answer =
        GENERATE(VersionAnswer{{0, 0, 0}, {3, 0}, {3, 2}}, VersionAnswer{{1, 1, 0}, {2, 0}, {3, 2}},
                 VersionAnswer{{1, 1, 0}, {3, 0}, {9, 9}}, VersionAnswer{{100, 1, 0}, {3, 0}, {3, 2}});
    Setting s;
    s.guest.open(s.service);
    s.guest.answer(*s.guest.next(), ic::status::success, bytes_of(answer));
    CHECK(inspected(*s.service, "state") == "no common version");
    s.ask();
    CHECK(s.results == std::vector{ShutdownService::Result::NotReady});
    CHECK_FALSE(s.guest.next());
}

TEST_CASE("versions that are cut off agree on nothing", "[services][hostile]")
{
    Setting s;
    s.guest.open(s.service);
    auto body = bytes_of(VersionAnswer{{1, 1, 0}, {3, 0}, {3, 2}});
    body.resize(body.size() - 1);
    s.guest.answer(*s.guest.next(), ic::status::success, body);
    CHECK(inspected(*s.service, "state") == "no common version");
}

TEST_CASE("what is no answer to the question is passed over", "[services][hostile]")
{
    Setting s;
    s.guest.open(s.service, {3, 2});
    s.ask();
    auto const question = s.guest.next();
    REQUIRE(question);

    auto header = question->header;
    SECTION("no response")
    {
        header.flags = ic::flags::transaction | ic::flags::request;
    }
    SECTION("another transaction")
    {
        header.flags = ic::flags::response;
        ++header.transaction;
    }
    SECTION("another type")
    {
        header.flags = ic::flags::response;
        header.type = ic::MessageType::Heartbeat;
    }
    SECTION("longer than its packet")
    {
        header.flags = ic::flags::response;
        header.size = 0xFFFF;
    }
    s.guest.send(question->pipe, header, {});
    CHECK(s.results.empty());
    CHECK(inspected(*s.service, "ignored_packets") == "1");

    s.guest.answer(*question, ic::status::success, {});
    CHECK(s.results == std::vector{ShutdownService::Result::Accepted});
}

TEST_CASE("packets without a whole header are passed over", "[services][hostile]")
{
    Setting s;
    s.guest.open(s.service, {3, 2});
    for (std::size_t length = 0; length < sizeof(ic::PipeHeader) + sizeof(ic::Header); length += 4) {
        CHECK(s.guest.channel->send(std::vector<std::byte>(length, std::byte{0xFF})));
    }
    CHECK(inspected(*s.service, "ignored_packets") == "7");
    CHECK(s.guest.channel->to_host.used() == 0);
}

TEST_CASE("an answer comes once", "[services][hostile]")
{
    Setting s;
    s.guest.open(s.service, {3, 2});
    s.ask();
    auto const question = s.guest.next();
    s.guest.answer(*question, ic::status::success, {});
    s.guest.answer(*question, ic::status::failed, {});
    CHECK(s.results == std::vector{ShutdownService::Result::Accepted});
}

TEST_CASE("a guest that fills its ring is served in portions", "[services][hostile]")
{
    Setting s;
    s.guest.open(s.service, {3, 2});
    s.guest.channel->connect(nullptr);
    unsigned sent = 0;
    while (s.guest.channel->send(std::vector<std::byte>(64)))
        ++sent;
    REQUIRE(sent > 100);
    s.service->signalled();
    CHECK(inspected(*s.service, "ignored_packets") == "16");
    s.guest.executor.crank();
    CHECK(inspected(*s.service, "ignored_packets") == std::to_string(sent));
    CHECK(s.guest.executor.waiting() == 0);
}

TEST_CASE("a ring that lies about its indices ends the service until the channel is opened anew",
          "[services][hostile]")
{
    Setting s;
    s.guest.open(s.service, {3, 2});
    s.guest.channel->to_host.write_index() = 0xFFFF'FFF8;
    s.service->signalled();
    s.guest.channel->from_host.read_index() = 0x8000'0000;
    s.ask();
    CHECK(s.results == std::vector{ShutdownService::Result::NotReady});

    s.service->close();
    s.guest.open(s.service, {3, 0});
    CHECK(inspected(*s.service, "version") == "3.0");
}

TEST_CASE("signals after the channel is closed do nothing", "[services]")
{
    Setting s;
    s.guest.open(s.service, {3, 2});
    s.service->close();
    s.service->signalled();
    s.ask();
    CHECK(s.results == std::vector{ShutdownService::Result::NotReady});
    CHECK(inspected(*s.service, "state") == "closed");
    CHECK(s.guest.channel.use_count() == 1);
}

TEST_CASE("an answer that was there before the channel was open is found", "[services]")
{
    Setting s;
    auto const channel = std::make_shared<devices::testing::DeviceChannel>(4);
    CHECK(channel->send(std::vector<std::byte>(32)));
    s.service->open(channel);
    CHECK(channel->to_host.used() == 0);
}
