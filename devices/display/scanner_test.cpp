#include "devices/display/scanner.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/vmbus_guest.hpp"

#include <cstring>

using namespace devices::display;

namespace {

constexpr Mode small{.width = 64, .height = 48, .pitch = 256, .depth = 32, .offset = 0};

struct Setting {
    std::vector<std::byte> memory = std::vector<std::byte>(std::size_t{8} << 20);
    std::shared_ptr<Screen> screen = std::make_shared<Screen>(memory);
    std::shared_ptr<hv::testing::CrankedExecutor> executor = std::make_shared<hv::testing::CrankedExecutor>();
    std::shared_ptr<Scanner> scanner = std::make_shared<Scanner>(screen, executor);

    Setting() { screen->attach(scanner); }

    void watch()
    {
        screen->watch([] {});
    }
    void put(std::uint32_t x, std::uint32_t y, std::uint32_t pixel)
    {
        std::memcpy(&memory[small.pitch * y + 4 * x], &pixel, sizeof pixel);
    }
    std::vector<Rectangle> after_scan()
    {
        executor->advance(Scanner::interval);
        return screen->take().drawn;
    }
    [[nodiscard]] bool idle()
    {
        executor->crank();
        return executor->waiting() == 0;
    }
};

} // namespace

TEST_CASE("nothing is compared while nobody looks", "[display]")
{
    Setting s;
    REQUIRE(s.scanner->set_mode(small));
    CHECK(s.scanner->in_effect());
    CHECK(s.idle());
    s.watch();
    CHECK_FALSE(s.idle());
    s.screen->watch({});
    s.executor->advance(Scanner::interval);
    CHECK(s.idle());
    s.watch();
    CHECK_FALSE(s.idle());
}

TEST_CASE("what is drawn is found, in bands", "[display]")
{
    Setting s;
    s.watch();
    REQUIRE(s.scanner->set_mode(small));
    CHECK(s.after_scan() == std::vector{small.all()});
    CHECK(s.after_scan().empty());

    s.put(3, 5, 1);
    s.put(10, 6, 1);
    s.put(63, 40, 0xFF00'0000);
    CHECK(s.after_scan() == std::vector{Rectangle{3, 5, 11, 7}, Rectangle{63, 40, 64, 41}});
    CHECK(s.after_scan().empty());
    s.put(3, 5, 0);
    CHECK(s.after_scan() == std::vector{Rectangle{3, 5, 4, 6}});

    std::memset(&s.memory[small.pitch * small.height], 1, 256); // behind the picture
    CHECK(s.after_scan().empty());
}

TEST_CASE("many bands are no more rectangles than a screen keeps apart", "[display]")
{
    Setting s;
    s.watch();
    Mode const high{.width = 64, .height = 2000, .pitch = 256, .depth = 32, .offset = 0};
    REQUIRE(s.scanner->set_mode(high));
    (void)s.after_scan();
    for (std::uint32_t y = 0; y < high.height; y += 20)
        s.put(y % 64, y, 1);
    auto const found = s.after_scan();
    CHECK(found.size() == Screen::most_rectangles);
    CHECK(found.back().bottom == 1981);
    CHECK(s.after_scan().empty());
}

TEST_CASE("another mode of the scanner's is compared anew", "[display]")
{
    Setting s;
    s.watch();
    REQUIRE(s.scanner->set_mode(small));
    (void)s.after_scan();
    Mode const large{.width = 1024, .height = 768, .pitch = 4096, .depth = 32, .offset = 0};
    REQUIRE(s.scanner->set_mode(large));
    CHECK(s.executor->waiting() == 1); // not one more for each mode
    CHECK(s.after_scan() == std::vector{large.all()});
    CHECK(s.after_scan().empty());
    CHECK_FALSE(s.scanner->set_mode({.width = 0, .height = 768, .pitch = 4096, .depth = 32, .offset = 0}));
    CHECK(s.screen->mode() == large);
    CHECK(s.scanner->in_effect());
}

TEST_CASE("a driver's own mode ends the comparing", "[display]")
{
    Setting s;
    s.watch();
    CHECK_FALSE(s.scanner->in_effect());
    CHECK(s.idle());
    REQUIRE(s.scanner->set_mode(small));
    (void)s.after_scan();
    REQUIRE(s.screen->set_mode(small) != 0);
    CHECK_FALSE(s.scanner->in_effect());
    (void)s.after_scan();
    CHECK(s.idle());
    s.put(1, 1, 1);
    CHECK(s.after_scan().empty());
    s.screen->watch({});
    s.watch();
    CHECK(s.idle());
}

TEST_CASE("a scanner that is gone leaves tasks that do nothing", "[display]")
{
    Setting s;
    s.watch();
    REQUIRE(s.scanner->set_mode(small));
    s.scanner.reset();
    s.executor->advance(Scanner::interval);
    CHECK(s.idle());
    s.screen->watch({}); // and is nobody's to tell
}
