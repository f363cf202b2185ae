#include "devices/vmbus/keyboard/key_symbols.hpp"
#include "hv/testing/catch.hpp"

#include <string>
#include <vector>

using namespace devices::vmbus;
using Shift = Key::Shift;

namespace {

constexpr std::uint32_t shift_symbol = 0xFFE1;

struct Desk {
    std::string strokes; ///< "+1e -1e "
    SymbolKeyboard keyboard{[this](ScanCode code, Keyboard::Stroke stroke) {
        constexpr auto digits = "0123456789abcdef";
        auto const value = static_cast<unsigned>(code);
        strokes += stroke == Keyboard::Stroke::Press ? '+' : '-';
        if (value > 0xFF) strokes += "e0";
        strokes += {digits[value >> 4 & 15], digits[value & 15], ' '};
    }};

    std::string after(std::uint32_t symbol, bool down)
    {
        strokes.clear();
        keyboard.key(symbol, down);
        return strokes;
    }
};

} // namespace

TEST_CASE("symbols are found on a US keyboard", "[keyboard]")
{
    for (char character = ' '; character <= '~'; ++character) {
        CAPTURE(character);
        CHECK(key_of_symbol(static_cast<std::uint32_t>(character)));
    }
    CHECK(key_of_symbol('a')->code == ScanCode{0x1E});
    CHECK(key_of_symbol('A')->code == ScanCode{0x1E});
    CHECK(key_of_symbol('A')->shift == Shift::With);
    CHECK(key_of_symbol('m')->code == ScanCode{0x32});
    CHECK(key_of_symbol('/')->code == ScanCode{0x35});
    CHECK(key_of_symbol('~')->code == ScanCode{0x29});
    CHECK(key_of_symbol('|')->code == ScanCode{0x2B});
    CHECK(key_of_symbol(0xFF0D)->code == ScanCode{0x1C});
    CHECK(key_of_symbol(0xFF54)->code == ScanCode{0xE050});
    CHECK_FALSE(key_of_symbol(0xE9)); // e with an acute accent
    CHECK_FALSE(key_of_symbol(0));
    CHECK_FALSE(key_of_symbol(~0U));
}

TEST_CASE("keys have names", "[keyboard]")
{
    CHECK(key_named("a") == ScanCode{0x1E});
    CHECK(key_named("enter") == ScanCode{0x1C});
    CHECK(key_named("f12") == ScanCode{0x58});
    CHECK(key_named("delete") == ScanCode{0xE053});
    auto const none = GENERATE("", "A", "ENTER", "f13", "ab", "\xE4");
    CHECK_FALSE(key_named(none));
}

TEST_CASE("a viewer's Shift counts, unless its keyboard has the sign elsewhere", "[keyboard]")
{
    Desk desk;
    CHECK(desk.after('a', true) == "+1e ");
    CHECK(desk.after('a', false) == "-1e ");
    CHECK(desk.after('A', true) == "+1e "); // with its Caps Lock, which the guest has too
    CHECK(desk.after('A', false) == "-1e ");
    CHECK(desk.after('@', true) == "+2a +03 -2a "); // Right Alt and Q on a German one
    CHECK(desk.after('@', false) == "-03 ");
    CHECK(desk.after(shift_symbol, true) == "+2a ");
    CHECK(desk.after('!', true) == "+02 ");
    CHECK(desk.after('!', false) == "-02 ");
    CHECK(desk.after('7', true) == "-2a +08 +2a "); // on a French one
    CHECK(desk.after('7', false) == "-08 ");
    CHECK(desk.after(shift_symbol, false) == "-2a ");
}

TEST_CASE("keys are let go of once, and at the end", "[keyboard]")
{
    Desk desk;
    CHECK(desk.after('a', false).empty());
    CHECK(desk.after(0xE9, true).empty());
    CHECK(desk.after('a', true) == "+1e ");
    CHECK(desk.after('a', true) == "+1e "); // it repeats
    CHECK(desk.after(0xFFE3, true) == "+1d ");
    desk.strokes.clear();
    desk.keyboard.release_all();
    CHECK(desk.strokes == "-1d -1e ");
    desk.keyboard.release_all();
    CHECK(desk.strokes == "-1d -1e ");
}
