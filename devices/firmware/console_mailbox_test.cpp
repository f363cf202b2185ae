#include "devices/firmware/console_mailbox.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/saved_state.hpp"
#include "hv/testing/vmbus_guest.hpp"

#include <random>

using namespace devices;
using namespace devices::firmware;
using devices::vmbus::ScanCode;
using enum devices::vmbus::Keyboard::Stroke;

namespace {

struct Machine {
    std::vector<std::byte> memory = std::vector<std::byte>(std::size_t{8} << 20);
    std::shared_ptr<display::Screen> screen = std::make_shared<display::Screen>(memory);
    std::shared_ptr<display::Scanner> scanner =
        std::make_shared<display::Scanner>(screen, std::make_shared<hv::testing::CrankedExecutor>());
    std::uint64_t place = 0x1'F000'0000;
    ConsoleMailbox mailbox{scanner, [this] { return place; }};

    std::uint64_t read(std::uint64_t offset) { return mailbox.read(offset, 4); }
    void write(std::uint64_t offset, std::uint64_t value) { mailbox.write(offset, 4, value); }
};

constexpr std::uint32_t mode_of(std::uint32_t width, std::uint32_t height)
{
    return width | height << 16;
}

} // namespace

TEST_CASE("the firmware's driver finds the video memory", "[console]")
{
    Machine m;
    CHECK(m.read(console::screen_low) == 0xF000'0000);
    CHECK(m.read(console::screen_high) == 1);
    CHECK(m.mailbox.read(console::screen_low, 8) == m.place);
    CHECK(m.mailbox.read(console::screen_low + 3, 1) == 0xF0);
    CHECK(m.read(console::screen_bytes) == m.memory.size());
    m.place = 0xF800'0000;
    CHECK(m.read(console::screen_low) == 0xF800'0000);
}

TEST_CASE("a mode is set, or nothing changes", "[console]")
{
    Machine m;
    CHECK(m.read(console::mode) == 0);
    m.write(console::mode, mode_of(1920, 1080));
    CHECK(m.read(console::mode) == mode_of(1920, 1080));
    display::Mode const set{.width = 1920, .height = 1080, .pitch = 7680, .depth = 32, .offset = 0};
    CHECK(m.screen->mode() == set);
    auto const bad = GENERATE(mode_of(0, 768), mode_of(1024, 0), mode_of(1920, 1200), 0U, ~0U, mode_of(8193, 1));
    m.write(console::mode, bad);
    CHECK(m.screen->mode() == set);
    CHECK(m.read(console::mode) == mode_of(1920, 1080));
    m.mailbox.write(console::mode, 2, mode_of(640, 480));
    CHECK(m.screen->mode() == set);
    REQUIRE(m.screen->set_mode({}) != 0); // another driver's
    CHECK(m.read(console::mode) == 0);
}

TEST_CASE("strokes come in their order while the driver listens", "[console]")
{
    Machine m;
    CHECK_FALSE(m.mailbox.strike(ScanCode{0x1E}, Press));
    m.write(console::keyboard, 1);
    CHECK(m.read(console::keyboard) == 1);
    CHECK(m.read(console::key) == 0);
    CHECK(m.mailbox.strike(ScanCode{0x1E}, Press));
    CHECK(m.mailbox.strike(ScanCode{0xE01D}, Release));
    CHECK(m.mailbox.read(console::key + 1, 1) == 0); // takes nothing
    CHECK(m.read(console::key) == (console::stroke_present | 0x1E));
    CHECK(m.read(console::key) == (console::stroke_present | console::stroke_release | 0xE01D));
    CHECK(m.read(console::key) == 0);

    CHECK(m.mailbox.strike(ScanCode{0x1E}, Press));
    m.write(console::keyboard, 2); // means nothing
    CHECK(m.read(console::keyboard) == 1);
    m.write(console::keyboard, 0);
    CHECK_FALSE(m.mailbox.strike(ScanCode{0x1E}, Press));
    m.write(console::keyboard, 1);
    CHECK(m.read(console::key) == 0); // what was struck before is gone
}

TEST_CASE("strokes that nobody takes are no more than so many", "[console]")
{
    Machine m;
    m.write(console::keyboard, 1);
    for (std::size_t n = 0; n < ConsoleMailbox::most_strokes; ++n)
        REQUIRE(m.mailbox.strike(ScanCode{0x1E}, Press));
    CHECK_FALSE(m.mailbox.strike(ScanCode{0x1E}, Press));
    CHECK(m.read(console::key) != 0);
    CHECK(m.mailbox.strike(ScanCode{0x1E}, Press));
}

TEST_CASE("the pointer's reports come in their order while the driver listens", "[console]")
{
    Machine m;
    auto const taken = [&] { return std::pair{m.read(console::report), m.read(console::report_place)}; };
    auto const reported = [](unsigned buttons, unsigned x, unsigned y) {
        return std::pair<std::uint64_t, std::uint64_t>{console::report_present | buttons, x | y << 16};
    };
    CHECK_FALSE(m.mailbox.point({0, 1, 2, 0}));
    m.write(console::pointer, 1);
    CHECK(m.read(console::pointer) == 1);
    CHECK(m.read(console::keyboard) == 0);
    CHECK(m.read(console::report) == 0);
    CHECK(m.mailbox.point({0, 1, 2, 0}));
    CHECK(m.mailbox.point({0, 3, 4, 0})); // has moved on before anybody looked
    CHECK(m.mailbox.point({1, 3, 4, 0}));
    CHECK(m.mailbox.point({0, 0x7FFF, 0x7FFF, 0}));
    CHECK(m.mailbox.read(console::report + 1, 1) == 0); // takes nothing
    CHECK(taken() == reported(0, 3, 4));
    CHECK(taken() == reported(1, 3, 4));
    CHECK(taken() == reported(0, 0x7FFF, 0x7FFF));
    CHECK(m.read(console::report) == 0);
    CHECK(m.read(console::report_place) == 0x7FFF'7FFF);

    CHECK(m.mailbox.point({1, 5, 6, 0}));
    m.write(console::pointer, 2); // means nothing
    CHECK(m.read(console::pointer) == 1);
    m.write(console::pointer, 0);
    CHECK_FALSE(m.mailbox.point({1, 5, 6, 0}));
    m.write(console::pointer, 1);
    CHECK(m.read(console::report) == 0); // what was there before is gone
}

TEST_CASE("of reports that nobody takes few are kept, and the last one is", "[console]")
{
    Machine m;
    m.write(console::pointer, 1);
    auto const many = static_cast<std::uint16_t>(2 * ConsoleMailbox::most_reports);
    for (std::uint16_t n = 0; n < many; ++n)
        REQUIRE(m.mailbox.point({static_cast<std::uint8_t>(n % 2), n, 0, 0}));
    std::size_t kept = 0;
    while (m.read(console::report) != 0)
        ++kept;
    CHECK(kept == ConsoleMailbox::most_reports);
    CHECK(m.read(console::report_place) == many - 1U);
}

TEST_CASE("the console goes on elsewhere as it was", "[console]")
{
    Machine from;
    from.write(console::mode, mode_of(800, 600));
    from.write(console::keyboard, 1);
    REQUIRE(from.mailbox.strike(ScanCode{0x1E}, Press));
    from.write(console::pointer, 1);
    REQUIRE(from.mailbox.point({1, 7, 8, 0}));
    hv::testing::SavedState saved;
    saved.save(from.mailbox);

    Machine to;
    saved.restore(to.mailbox);
    CHECK(to.read(console::mode) == mode_of(800, 600));
    CHECK(to.screen->mode().width == 800);
    CHECK(to.read(console::key) == (console::stroke_present | 0x1E));
    CHECK(to.mailbox.strike(ScanCode{0x1E}, Release));
    CHECK(to.read(console::report) == (console::report_present | 1));
    CHECK(to.read(console::report_place) == (7 | 8 << 16));
    CHECK(to.mailbox.point({}));

    // One that another driver has replaced stays so.
    REQUIRE(from.screen->set_mode({}) != 0);
    hv::testing::SavedState later;
    later.save(from.mailbox);
    Machine third;
    later.restore(third.mailbox);
    CHECK(third.read(console::mode) == 0);
    CHECK(third.screen->mode_number() == 0);
}

TEST_CASE("no sequence of accesses confuses the console", "[console][hammer]")
{
    Machine m;
    std::mt19937_64 random{5};
    for (unsigned step = 0; step < 20'000; ++step) {
        auto const size = 1U << random() % 4;
        auto const offset = random() % (random() % 4 ? 40 : console::size) & ~std::uint64_t{size - 1};
        random() % 2 ? (void)m.mailbox.read(offset, size)
                     : m.mailbox.write(offset, size, random() % 3 ? random() : 1);
        if (random() % 4 == 0) (void)m.mailbox.strike(static_cast<ScanCode>(random() & 0xFFFF), Press);
        if (random() % 4 == 0) (void)m.mailbox.point({static_cast<std::uint8_t>(random()), 0, 0, 0});
        REQUIRE(m.screen->mode().fits(m.memory.size()));
    }
}
