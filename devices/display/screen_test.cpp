#include "devices/display/screen.hpp"
#include "hv/testing/catch.hpp"

#include <array>
#include <cstring>

using namespace devices::display;

namespace {

constexpr std::size_t memory_bytes = std::size_t{8} << 20;

struct Setting {
    std::vector<std::byte> memory = std::vector<std::byte>(memory_bytes);
    Screen screen{memory};
    unsigned told = 0;

    void watch()
    {
        screen.watch([this] { ++told; });
    }
    void put(std::size_t at, std::uint32_t pixel) { std::memcpy(&memory[at], &pixel, sizeof pixel); }
};

struct Counter final : Screen::Source {
    void changes_wanted(bool wanted) override { last = wanted; }
    std::optional<bool> last{};
};

} // namespace

TEST_CASE("a mode has to lie in the memory", "[display]")
{
    Setting s;
    CHECK(s.screen.mode() == Mode{});
    CHECK(s.screen.set_mode({1920, 1080, 7680, 32, 0}));
    CHECK(s.screen.mode().width == 1920);
    auto const bad =
        GENERATE(Mode{1920, 1200, 7680, 32, 0}, Mode{0, 768, 4096, 32, 0}, Mode{1024, 0, 4096, 32, 0},
                 Mode{1024, 768, 4092, 32, 0}, Mode{1024, 768, 4096, 24, 0}, Mode{1024, 768, 4096, 32, ~0U},
                 Mode{1024, 2048, 4096, 32, 1}, Mode{~0U, 1, ~0U, 32, 0}, Mode{1, ~0U, 4, 16, 0});
    CHECK_FALSE(s.screen.set_mode(bad));
    CHECK(s.screen.mode().width == 1920);
}

TEST_CASE("nobody is told of changes who does not watch", "[display]")
{
    Setting s;
    CHECK_FALSE(s.screen.changes_wanted());
    s.screen.drawn({0, 0, 1, 1});
    CHECK(s.screen.take().drawn.empty());

    auto const source = std::make_shared<Counter>();
    s.screen.attach(source);
    s.watch();
    CHECK(source->last == true);
    CHECK(s.screen.changes_wanted());
    CHECK(s.told == 1);
    auto const all = s.screen.take();
    CHECK(all.mode == Mode{});
    CHECK(all.pointer == Pointer{});
    CHECK(all.drawn == std::vector{Mode{}.all()});

    s.screen.watch({});
    CHECK(source->last == false);
    s.screen.drawn({0, 0, 1, 1});
    CHECK(s.screen.take().drawn.empty());
}

TEST_CASE("what was drawn is told once, clipped, and in few rectangles", "[display]")
{
    Setting s;
    s.watch();
    (void)s.screen.take();
    s.told = 0;

    s.screen.drawn({1000, 700, 5000, ~0U});
    s.screen.drawn({1010, 710, 1020, 720}); // lies in it
    s.screen.drawn({2000, 0, 3000, 10});    // outside
    s.screen.drawn({10, 10, 10, 20});       // nothing
    CHECK(s.told == 1);
    auto changes = s.screen.take();
    CHECK_FALSE(changes.mode);
    CHECK_FALSE(changes.pointer);
    CHECK(changes.drawn == std::vector{Rectangle{1000, 700, 1024, 768}});

    for (std::uint32_t i = 0; i < 1000; ++i)
        s.screen.drawn({i, i % 768, i + 2, i % 768 + 1});
    CHECK(s.told == 2);
    changes = s.screen.take();
    CHECK(changes.drawn.size() <= Screen::most_rectangles);
    CHECK(s.screen.take().drawn.empty());
}

TEST_CASE("a new mode is drawn anew, and a new pointer is told of", "[display]")
{
    Setting s;
    s.watch();
    (void)s.screen.take();
    CHECK(s.screen.set_mode({800, 600, 3200, 32, 0}));
    s.screen.set_pointer({1, 1, 0, 0, {0xFF00'0000}});
    auto const changes = s.screen.take();
    REQUIRE(changes.mode);
    CHECK(changes.mode->height == 600);
    CHECK(changes.drawn == std::vector{Rectangle{0, 0, 800, 600}});
    CHECK(changes.pointer->pixels.size() == 1);

    s.screen.reset();
    CHECK(s.screen.mode() == Mode{});
    CHECK(s.screen.take().pointer == Pointer{});
}

TEST_CASE("pixels of both depths are copied", "[display]")
{
    Setting s;
    std::array<std::uint32_t, 4> out{1, 2, 3, 4};
    Mode mode{};
    s.put(4096 + 4 * 5, 0xAA11'2233);
    s.put(2 * 4096 + 4 * 6, 0xFF44'5566);
    s.screen.copy(mode, {5, 1, 7, 3}, out.data(), 2);
    CHECK(out == std::array<std::uint32_t, 4>{0x11'2233, 0, 0, 0x44'5566});

    mode = {640, 480, 1280, 16, 4};
    s.put(4, 0xF800'FFFF); // white, then red
    s.screen.copy(mode, {0, 0, 2, 1}, out.data(), 2);
    CHECK(out[0] == 0xFF'FFFF);
    CHECK(out[1] == 0xFF'0000);

    out = {};
    s.screen.copy(mode, {600, 0, 700, 1}, out.data(), 2); // not in the picture
    s.screen.copy({1024, 768, 1U << 30, 32, 0}, {0, 0, 1, 1}, out.data(), 2);
    CHECK(out[0] == 0);
}

TEST_CASE("all sources that are there are asked for changes", "[display]")
{
    Setting s;
    auto const first = std::make_shared<Counter>();
    auto second = std::make_shared<Counter>();
    s.screen.attach(first);
    s.screen.attach(second);
    s.watch();
    CHECK(first->last == true);
    CHECK(second->last == true);
    second.reset();
    s.screen.watch({});
    CHECK(first->last == false);
    auto const third = std::make_shared<Counter>();
    s.screen.attach(third);
    s.watch();
    CHECK(third->last == true);
}

TEST_CASE("modes have numbers that do not come again", "[display]")
{
    Setting s;
    CHECK(s.screen.mode_number() == 0);
    auto const first = s.screen.set_mode({});
    CHECK(first != 0);
    CHECK(s.screen.mode_number() == first);
    CHECK(s.screen.set_mode({0, 768, 4096, 32, 0}) == 0);
    CHECK(s.screen.mode_number() == first);
    CHECK(s.screen.set_mode({}) > first);
    auto const before = s.screen.mode_number();
    s.screen.reset();
    CHECK(s.screen.mode_number() > before);
}
