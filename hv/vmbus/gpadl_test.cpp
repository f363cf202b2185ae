/// Guest memory that a guest hands to its host: how it is told, what it costs, and when it is the guest's again.
#include "hv/testing/bus_guest.hpp"
#include "hv/testing/catch.hpp"
#include "hv/vmbus/server.hpp"

#include <cstring>
#include <vector>

using namespace hv;
using namespace hv::testing;
using namespace hv::vmbus;

TEST_CASE("a GPADL may come in many messages", "[vmbus]")
{
    BusGuest guest;
    guest.open_one();
    std::vector<std::uint64_t> const first{30, 31};
    guest.say_bytes(BusGuest::gpadl_message(1, 2, 5, first));
    CHECK(guest.hear().empty());
    CHECK_FALSE(guest.device->channel->gpadl(GpadlId{2}));
    for (std::uint64_t const page : {33U, 34U, 35U}) {
        abi::GpadlBody const body{{Type::GpadlBody, 0}, 0, 2};
        std::vector<std::byte> message(sizeof body + 8);
        std::memcpy(message.data(), &body, sizeof body);
        std::memcpy(message.data() + sizeof body, &page, 8);
        guest.say_bytes(message);
    }
    auto const created = guest.answer<abi::GpadlCreated>(Type::GpadlCreated);
    CHECK(created.status == 0);
    CHECK(created.channel == 1);
    CHECK(created.gpadl == 2);

    auto const gpadl = guest.device->channel->gpadl(GpadlId{2});
    REQUIRE(gpadl);
    CHECK(gpadl->size() == 5 * page_size);
    std::vector<std::byte> data(2 * page_size, std::byte{9});
    gpadl->write(page_size + 8, data.data(), data.size());
    CHECK(guest.guest.ram[31 * page_size + 7] == std::byte{0});
    CHECK(guest.guest.ram[31 * page_size + 8] == std::byte{9});
    CHECK(guest.guest.ram[33 * page_size + 4095] == std::byte{9});
    CHECK(guest.guest.ram[34 * page_size + 7] == std::byte{9});
    CHECK(guest.guest.ram[34 * page_size + 8] == std::byte{0});
    CHECK(guest.guest.ram[32 * page_size] == std::byte{0});
}

TEST_CASE("a GPADL that lies is refused and costs the guest's pool nothing", "[vmbus]")
{
    BusGuest guest;
    guest.open_one();
    auto const before = guest.guest.partition->pool().free_bytes();
    auto message = BusGuest::gpadl_message(1, 2, 2, {30, 31});
    abi::GpadlHeader header{};
    std::memcpy(&header, message.data(), sizeof header);
    SECTION("a page that is not RAM")
    {
        message = BusGuest::gpadl_message(1, 2, 2, {30, 1 << 20});
    }
    SECTION("a page number beyond all addresses")
    {
        message = BusGuest::gpadl_message(1, 2, 2, {30, ~std::uint64_t{0}});
    }
    SECTION("an ID that is in use")
    {
        message = BusGuest::gpadl_message(1, 1, 2, {30, 31});
    }
    SECTION("a channel that is not offered")
    {
        message = BusGuest::gpadl_message(5, 2, 2, {30, 31});
    }
    SECTION("fields that contradict each other")
    {
        SECTION("no range")
        {
            header.range_count = 0;
        }
        SECTION("two ranges")
        {
            header.range_count = 2;
        }
        SECTION("no bytes")
        {
            header.byte_count = 0;
        }
        SECTION("an offset beyond a page")
        {
            header.byte_offset = 4096;
        }
        SECTION("more bytes than pages")
        {
            header.byte_count += 1;
        }
        SECTION("less room for pages than bytes")
        {
            header.range_bytes -= 8;
        }
        std::memcpy(message.data(), &header, sizeof header);
    }
    guest.say_bytes(message);
    CHECK(guest.answer<abi::GpadlCreated>(Type::GpadlCreated).status != 0);
    CHECK(guest.guest.partition->pool().free_bytes() == before);
}

TEST_CASE("GPADLs are charged to the guest's pool, which ends them", "[vmbus]")
{
    BusGuest guest{256 << 10};
    guest.bus->offer({.interface = interface_a, .instance = instance_a}, guest.device);
    guest.contact();
    REQUIRE(guest.offers().size() == 1);
    std::uint32_t made = 0;
    while (made < 10'000 && guest.share(1, made + 1, {30}) == 0)
        ++made;
    CHECK(made > 10);
    CHECK(made < 10'000);
}

TEST_CASE("memory is the guest's again when nobody uses it any more, and then it is told", "[vmbus]")
{
    BusGuest guest;
    guest.open_one();
    auto const before = guest.guest.partition->pool().free_bytes();
    REQUIRE(guest.share(1, 2, {30, 31}) == 0);
    auto used = guest.device->channel->gpadl(GpadlId{2});
    REQUIRE(used);

    guest.say(abi::GpadlTeardown{{Type::GpadlTeardown, 0}, 1, 2});
    CHECK(guest.hear().empty());
    CHECK_FALSE(guest.device->channel->gpadl(GpadlId{2}));
    used.reset();
    CHECK(guest.answer<abi::GpadlTorndown>(Type::GpadlTorndown).gpadl == 2);
    CHECK(guest.guest.partition->pool().free_bytes() == before);

    // Of the rings of an open channel: after it is closed, and its device has let go.
    guest.device->lingers = true;
    guest.say(abi::GpadlTeardown{{Type::GpadlTeardown, 0}, 1, 1});
    CHECK(guest.hear().empty());
    guest.close(1);
    CHECK(guest.hear().empty());
    CHECK(guest.device->closes == 1);
    guest.device->channel.reset();
    CHECK(guest.answer<abi::GpadlTorndown>(Type::GpadlTorndown).gpadl == 1);
}
