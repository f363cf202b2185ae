#include "devices/pc/bus_map.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/threads.hpp"

#include <atomic>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

struct Device {};

using Map = devices::BusMap<Device>;

std::optional<std::uint64_t> offset_in(Map const& map, Device const& device, std::uint64_t address)
{
    auto const range = map.find(address);
    if (!range.contains(address) || range.target.device != &device) return {};
    return address - range.target.base;
}

bool is_free(Map const& map, std::uint64_t address)
{
    return !map.find(address).contains(address);
}

} // namespace

TEST_CASE("a fixed device is refused the addresses of another, with both names", "[bus]")
{
    Device a;
    Device b;
    Map map;
    map.claim(0x1000, 0x100, a, "a timer");
    try {
        map.claim(0x10FF, 1, b, "a clock");
        FAIL("both have 0x10ff");
    } catch (std::logic_error const& error) {
        CHECK(std::string{error.what()} ==
              "'a clock' cannot have the addresses 0x10ff-0x10ff: 'a timer' has 0x1000-0x10ff");
    }
    CHECK_NOTHROW(map.claim(0x1100, 1, b, "a clock"));
    CHECK(offset_in(map, a, 0x10FF) == 0xFF);
    CHECK(offset_in(map, b, 0x1100) == 0);
}

TEST_CASE("a window goes where it is put, and leaves nothing behind", "[bus]")
{
    Device device;
    Map map;
    {
        auto window = map.window(0, device);
        CHECK(is_free(map, 0));
        window.place(0x4000, 0x1000);
        CHECK(offset_in(map, device, 0x4FFF) == 0xFFF);
        window.place(0x4800, 0x1000);
        CHECK(is_free(map, 0x47FF));
        CHECK(offset_in(map, device, 0x4800) == 0);
        window.withdraw();
        CHECK(is_free(map, 0x4800));
        window.place(~std::uint64_t{0} - 0xFFF, 0x1000);
        CHECK(offset_in(map, device, ~std::uint64_t{0}) == 0xFFF);
    }
    CHECK(is_free(map, ~std::uint64_t{0}));
}

TEST_CASE("where ranges overlap, fixed devices come first, then the window of the lower number", "[bus]")
{
    Device fixed;
    Device low;
    Device high;
    Map map;
    auto window_of_high = map.window(7, high);
    auto window_of_low = map.window(3, low);
    map.claim(0x1800, 0x100, fixed, "fixed");

    window_of_high.place(0x1000, 0x2000);
    window_of_low.place(0x2000, 0x2000);
    CHECK(offset_in(map, high, 0x17FF) == 0x7FF);
    CHECK(offset_in(map, fixed, 0x1800) == 0);
    CHECK(offset_in(map, high, 0x1900) == 0x900); // counted from its own beginning
    CHECK(offset_in(map, low, 0x2000) == 0);
    CHECK(offset_in(map, low, 0x3FFF) == 0x1FFF);

    window_of_low.place(0x1000, 0x2000); // all of the other
    CHECK(offset_in(map, low, 0x1000) == 0);
    CHECK(offset_in(map, fixed, 0x1800) == 0);
    window_of_low.withdraw();
    CHECK(offset_in(map, high, 0x2FFF) == 0x1FFF);
    CHECK_THROWS_AS(map.window(7, low), std::logic_error);
}

/// Against a map that has a byte for each address.
TEST_CASE("windows that are put anywhere overlap as they should", "[bus][hammer]")
{
    constexpr unsigned windows = 6;
    constexpr std::uint64_t addresses = 64;
    std::vector<Device> devices(windows + 1);
    Map map;
    map.claim(20, 8, devices[windows], "fixed");
    std::vector<Map::Window> moved;
    for (unsigned n = 0; n < windows; ++n)
        moved.push_back(map.window(n, devices[n]));
    std::vector<std::pair<std::uint64_t, std::uint64_t>> places(windows);
    std::mt19937 random{1};
    for (unsigned round = 0; round < 500; ++round) {
        auto const n = random() % windows;
        places[n] = {random() % addresses, random() % 24};
        moved[n].place(places[n].first, places[n].second);
        unsigned wrong = 0;
        for (std::uint64_t address = 0; address < 2 * addresses; ++address) {
            Device const* expected = address - 20 < 8 ? &devices[windows] : nullptr;
            for (unsigned w = 0; w < windows && !expected; ++w)
                if (address - places[w].first < places[w].second) expected = &devices[w];
            auto const found = map.find(address);
            auto const* const actual = found.contains(address) ? found.target.device : nullptr;
            if (actual != expected) ++wrong;
        }
        REQUIRE(wrong == 0);
    }
}

TEST_CASE("windows move while others look up", "[bus][threads]")
{
    Device fixed;
    Device a;
    Device b;
    Map map;
    map.claim(0, 0x10, fixed, "fixed");
    auto window_of_a = map.window(0, a);
    auto window_of_b = map.window(1, b);
    std::atomic<unsigned> movers{2};
    std::atomic<unsigned> wrong{0};
    auto const reader = [&] {
        while (movers != 0) {
            if (offset_in(map, fixed, 8) != 8) ++wrong;
            auto const found = map.find(0x1008);
            if (found.contains(0x1008) && found.target.base != 0x1000 && found.target.base != 0x1008) ++wrong;
        }
    };
    auto const mover = [&](Map::Window& window) {
        for (unsigned n = 0; n < 1000; ++n) {
            window.place(n % 2 == 0 ? 0x1000 : 0x1008, 0x10);
            if (n % 3 == 0) window.withdraw();
        }
        --movers;
    };
    hv::testing::run_together({reader, reader, [&] { mover(window_of_a); }, [&] { mover(window_of_b); }});
    CHECK(wrong == 0);
}
