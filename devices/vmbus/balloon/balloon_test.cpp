#include "devices/vmbus/balloon/testing/balloon_guest.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/saved_state.hpp"

using namespace devices::vmbus;
using namespace devices::vmbus::dynamic_memory;
using Aim = Balloon::Aim;
using Setting = devices::vmbus::testing::BalloonGuest;

TEST_CASE("A guest and its balloon agree on any of three versions", "[balloon]")
{
    auto const version = GENERATE(versions::version_0_3, versions::version_1_0, versions::version_2_0);
    Setting s;
    s.open();
    CHECK_FALSE(s.request_version(0x30000));
    CHECK(s.request_version(version));
    CHECK_FALSE(s.device->status().listens);
    s.report_capabilities();
    CHECK(s.device->status().listens);
    auto const info = s.channel->receive();
    REQUIRE(info.has_value() == (version != versions::version_0_3));
    if (!info) return;
    CHECK(info->as<Info>().header.type == MessageType::Info);
    CHECK(info->as<Info>().value == s.layout().most);
}

TEST_CASE("A guest is asked for pages until it has as many as it is to have", "[balloon]")
{
    Setting s;
    s.start();
    CHECK(s.device->aim(Setting::at_start - 20'000, 0) == Aim::Taken);
    std::uint64_t asked = 0;
    std::uint64_t first = 1024;
    while (auto const packet = s.channel->receive()) {
        auto const request = packet->as<BalloonRequest>();
        REQUIRE(request.header.type == MessageType::BalloonRequest);
        CHECK(request.pages % 512 == 0);
        CHECK(request.pages <= 8192);
        s.give({{first, request.pages / 2}}, true);
        s.give({{first + request.pages / 2, request.pages / 2}});
        first += request.pages;
        asked += request.pages;
    }
    CHECK(asked == 20'000 / 512 * 512);
    CHECK(s.device->status().has == Setting::at_start - asked);
    CHECK(s.taker.taken == asked);
    CHECK(s.state_of("refused_ranges") == 0);
}

TEST_CASE("A guest gets back the pages that it gave away", "[balloon]")
{
    Setting s;
    s.start();
    s.give_away({{1024, 3}, {512, 1}, {2048, 508}});
    CHECK(s.device->aim(Setting::at_start, 0) == Aim::Taken);
    auto const packet = s.channel->receive();
    REQUIRE(packet);
    auto const request = packet->as<UnballoonRequest>();
    CHECK(request.header.type == MessageType::UnballoonRequest);
    CHECK(request.header.size == sizeof request + 3 * 8);
    CHECK(request.more == 0);
    REQUIRE(request.ranges == 3);
    CHECK(packet->as<std::uint64_t>(sizeof request) == (512 | std::uint64_t{1} << 40));
    CHECK(packet->as<std::uint64_t>(sizeof request + 8) == (1024 | std::uint64_t{3} << 40));
    CHECK(packet->as<std::uint64_t>(sizeof request + 16) == (2048 | std::uint64_t{508} << 40));
    CHECK(s.device->status().has == Setting::at_start);
    CHECK(s.device->aim(Setting::at_start - 512, 0) == Aim::Taken);
    CHECK_FALSE(s.channel->receive()); // one thing at a time
    s.send(Header{MessageType::UnballoonResponse, sizeof(Header), 1});
    CHECK(s.next<BalloonRequest>().pages == 512);
}

TEST_CASE("A guest takes memory that it did not have at its start, in blocks", "[balloon]")
{
    Setting s;
    s.start();
    auto const wanted = Setting::at_start + Balloon::hot_add_block + 512;
    auto const backed = s.device->backing_for(wanted);
    CHECK(backed == 2 * Balloon::hot_add_block);
    CHECK(s.device->aim(wanted, backed) == Aim::Taken);
    for (unsigned block = 0; block < 2; ++block) {
        auto const request = s.next<HotAddRequest>();
        CHECK(request.header.type == MessageType::HotAddRequest);
        CHECK(request.range == (Setting::hot_add_first + block * Balloon::hot_add_block |
                                std::uint64_t{Balloon::hot_add_block} << 40));
        s.send(HotAddResponse{{MessageType::HotAddResponse, 16, 1}, Balloon::hot_add_block, 1});
    }
    CHECK(s.device->status().has == Setting::at_start + backed);
    CHECK(s.next<BalloonRequest>().pages == 8192); // what is too much of a block goes back
    s.give({{Setting::hot_add_first + backed - 8192, 8192}});
    CHECK(s.state_of("refused_ranges") == 0);
}

TEST_CASE("No memory is offered that is not there", "[balloon]")
{
    Setting s;
    s.start();
    CHECK(s.device->aim(s.layout().most + 1'000'000, Balloon::hot_add_block) == Aim::Taken);
    CHECK(s.device->status().wanted == s.layout().most);
    (void)s.next<HotAddRequest>();
    s.send(HotAddResponse{{MessageType::HotAddResponse, 16, 1}, Balloon::hot_add_block, 1});
    CHECK_FALSE(s.channel->receive());
}

TEST_CASE("Who takes no more memory is offered none, and who cannot now is asked again", "[balloon]")
{
    Setting s;
    s.start();
    auto const most = s.layout().most;
    CHECK(s.device->aim(most, s.device->backing_for(most)) == Aim::Taken);
    (void)s.next<HotAddRequest>();
    s.send(HotAddResponse{{MessageType::HotAddResponse, 16, 1}, 0, 0});
    for (unsigned report = 0; report < 9; ++report) {
        s.report(1, 2);
        CHECK_FALSE(s.channel->receive());
    }
    s.report(1, 2);
    (void)s.next<HotAddRequest>();
    s.send(HotAddResponse{{MessageType::HotAddResponse, 16, 1}, 0, 1});
    CHECK_FALSE(s.channel->receive());
    CHECK(s.device->aim(most, s.device->backing_for(most)) == Aim::NoHotAdd);
    CHECK(s.device->aim(Setting::at_start, 0) == Aim::Taken);
}

TEST_CASE("A guest without hot-add, or with an alignment of its own, keeps to what it had", "[balloon]")
{
    Setting s;
    s.open();
    auto const capabilities = GENERATE(std::uint64_t{1}, std::uint64_t{3 | 8 << 2});
    CHECK(s.request_version(versions::version_2_0));
    s.report_capabilities(capabilities);
    CHECK(s.device->aim(Setting::at_start + 1, 0) == Aim::NoHotAdd);
    CHECK(s.device->aim(Setting::at_start - 512, 0) == Aim::Taken);
}

TEST_CASE("A guest's report says what it needs", "[balloon]")
{
    Setting s;
    s.start();
    CHECK_FALSE(s.device->status().has_reported);
    CHECK(s.device->status().pressure_percent() == 0);
    s.report(1000, Setting::at_start / 2);
    auto const status = s.device->status();
    CHECK(status.has_reported);
    CHECK(status.available == 1000);
    CHECK(status.pressure_percent() == 50);
    s.report(0, ~std::uint64_t{0});
    CHECK(s.device->status().pressure_percent() == 1000);
}

TEST_CASE("A guest that gives less than it was asked for is left alone for a while", "[balloon]")
{
    Setting s;
    s.start();
    CHECK(s.device->aim(0, 0) == Aim::Taken);
    (void)s.next<BalloonRequest>();
    s.give({{512, 512}});
    CHECK_FALSE(s.channel->receive());
    CHECK(s.device->aim(0, 0) == Aim::Taken); // somebody insists
    (void)s.next<BalloonRequest>();
    s.give({});
    for (unsigned report = 0; report < 10; ++report)
        s.report(1, 2);
    (void)s.next<BalloonRequest>();
}

TEST_CASE("Nothing is taken that is not the guest's to give", "[balloon][hostile]")
{
    Setting s;
    s.start();
    s.give_away({{512, 512}});
    CHECK(s.device->aim(Setting::at_start - 4096, 0) == Aim::Taken);
    auto const asked = s.next<BalloonRequest>().pages;
    s.taker.refused = 7;
    std::vector<PageRange> const wrong{
        {0, 0},
        {Setting::at_start - 1, 2},             // beyond its end
        {Setting::at_start, 1},                 //
        {Setting::hot_add_first, 1},            // not added yet
        {(std::uint64_t{1} << 40) - 1, 0xFFFF}, // beyond any end
        {1000, 100},                            // given before
        {2048, asked + 1},                      // more than was asked for
        {7, 1},                                 // not RAM that may be taken
    };
    s.give(wrong, true);
    CHECK(s.taker.taken == 512);
    CHECK(s.state_of("refused_ranges") == wrong.size());
    s.give({{2048, 1024}, {2048, 1024}, {2048, 1024}}); // counts once
    CHECK(s.device->status().has == Setting::at_start - 512 - 1024);
}

TEST_CASE("Messages that nobody waits for, or that are cut short, are passed over", "[balloon][hostile]")
{
    Setting s;
    s.open();
    s.report_capabilities_unheard();
    s.report(1, 2);
    s.give({{0, 1}});
    s.send(HotAddResponse{{MessageType::HotAddResponse, 16, 1}, 1, 1});
    s.send(Header{MessageType::UnballoonResponse, sizeof(Header), 1});
    s.send(Header{MessageType{99}, sizeof(Header), 1});
    s.send(Header{MessageType::VersionRequest, 64, 1}); // says that it is longer
    s.send(std::uint16_t{1});
    CHECK(s.state_of("ignored_packets") == 8);
    CHECK_FALSE(s.channel->receive());

    CHECK(s.request_version(versions::version_2_0));
    s.report_capabilities();
    s.drain();
    CHECK(s.device->aim(0, 0) == Aim::Taken);
    s.drain();
    BalloonResponse const lie{{MessageType::BalloonResponse, sizeof lie, 1}, 0, 0xFFFF'FFFE};
    s.send(lie);
    CHECK(s.taker.taken == 0);
    CHECK(s.state_of("ignored_packets") == 9);
}

TEST_CASE("A driver that comes anew has all the memory, and is asked for it again", "[balloon]")
{
    Setting s;
    s.start();
    s.give_away({{512, 1024}});
    s.device->close();
    CHECK_FALSE(s.device->status().listens);
    CHECK(s.device->aim(0, 0) == Aim::NoDriver);
    s.start();
    CHECK(s.device->status().has == Setting::at_start);
    CHECK(s.next<BalloonRequest>().pages == 1024);
}

TEST_CASE("A request that finds no room is made when there is some", "[balloon]")
{
    Setting s;
    s.open(1);
    CHECK(s.request_version(versions::version_2_0));
    s.report_capabilities();
    s.drain();
    while (s.channel->outgoing().write(hv::abi::PacketType::DataInband, 0, 0, std::vector<std::byte>(8))) {
    }
    (void)s.channel->outgoing().publish();
    CHECK(s.device->aim(0, 0) == Aim::Taken);
    unsigned requests = 0;
    for (unsigned i = 0; i < 1000; ++i) {
        auto const packet = s.channel->receive();
        s.executor.crank();
        if (packet && packet->as<Header>().type == MessageType::BalloonRequest) ++requests;
    }
    CHECK(requests == 1);
}

TEST_CASE("A balloon at rest writes nothing, and goes on afterwards", "[balloon]")
{
    Setting s;
    s.start();
    s.device->quiesce({});
    CHECK(s.device->aim(0, 0) == Aim::Taken);
    s.report(1, 2);
    CHECK_FALSE(s.channel->receive());
    s.device->resume();
    s.executor.crank();
    (void)s.next<BalloonRequest>();
}

TEST_CASE("A balloon goes on elsewhere with what the guest has given", "[balloon][state]")
{
    Setting s;
    s.start();
    s.give_away({{512, 1024}});
    CHECK(s.device->aim(Setting::at_start - 2048, 0) == Aim::Taken);
    (void)s.next<BalloonRequest>();
    s.device->quiesce({});
    hv::testing::SavedState saved;
    saved.save(*s.device);

    auto const second = std::make_shared<Balloon>(s.executor, s.taker, s.layout());
    second->quiesce({});
    second->open(s.channel);
    s.channel->connect(second.get());
    saved.restore(*second);
    second->resume();
    CHECK(second->status().listens);
    CHECK(second->status().has == Setting::at_start - 1024);
    s.give({{4096, 1024}});
    CHECK(second->status().has == Setting::at_start - 2048);
}

TEST_CASE("A balloon whose saved state is a lie has given nothing away", "[balloon][state][hostile]")
{
    Setting s;
    s.start();
    s.device->quiesce({});
    hv::testing::LyingState liar;
    s.device->visit(liar);
    s.device->resume();
    s.executor.crank();
    CHECK(s.device->status().wanted == s.layout().most);
    CHECK(s.device->status().has <= s.layout().most + Balloon::hot_add_block);
}
