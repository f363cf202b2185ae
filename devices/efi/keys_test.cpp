// What strokes mean to the EFI driver's keyboard.
#include "devices/efi/keys.hpp"
#include "hv/testing/catch.hpp"

#include <cstdint>
#include <optional>

namespace {

using namespace efi;

constexpr std::uint32_t left_shift = 0x2A;
constexpr std::uint32_t caps_lock = 0x3A;
constexpr std::uint32_t left_control = 0x1D;

struct Hands {
    KeyTranslator translator{};

    std::optional<KeyData> press(std::uint32_t code)
    {
        KeyData key{};
        if (!translator.stroke(code, false, key)) return std::nullopt;
        return key;
    }
    bool release(std::uint32_t code)
    {
        KeyData key{};
        return translator.stroke(code, true, key);
    }
    char16_t character(std::uint32_t code) { return press(code).value_or(KeyData{}).key.character; }
    unsigned scan(std::uint32_t code) { return press(code).value_or(KeyData{}).key.scan_code; }
};

} // namespace

TEST_CASE("characters are those of a US keyboard", "[efi]")
{
    Hands hands;
    CHECK(hands.character(0x1E) == u'a');
    CHECK(hands.character(0x02) == u'1');
    CHECK(hands.character(0x39) == u' ');
    CHECK(hands.character(0x28) == u'\'');
    CHECK(hands.character(0x1C) == u'\r');
    CHECK(hands.character(0xE01C) == u'\r');
    CHECK(hands.character(0x0E) == u'\b');
    CHECK(hands.character(0x0F) == u'\t');
    CHECK_FALSE(hands.release(0x1E));

    CHECK_FALSE(hands.press(left_shift));
    auto const capital = hands.press(0x1E);
    REQUIRE(capital);
    CHECK(capital->key.character == u'A');
    CHECK(capital->state.shift == shift_state::valid); // the character says it
    CHECK(hands.character(0x02) == u'!');
    CHECK(hands.character(0x35) == u'?');
    CHECK(hands.press(0xE048)->state.shift == (shift_state::valid | shift_state::left_shift));
    CHECK_FALSE(hands.release(left_shift));
    CHECK(hands.character(0x1E) == u'a');
}

TEST_CASE("Caps Lock is for letters, and Shift turns it over", "[efi]")
{
    Hands hands;
    CHECK_FALSE(hands.press(caps_lock));
    CHECK_FALSE(hands.release(caps_lock));
    auto const letter = hands.press(0x10);
    REQUIRE(letter);
    CHECK(letter->key.character == u'Q');
    CHECK(letter->state.toggle == (toggle_state::valid | toggle_state::caps_lock));
    CHECK(hands.character(0x02) == u'1');
    CHECK_FALSE(hands.press(left_shift));
    CHECK(hands.character(0x10) == u'q');
    CHECK_FALSE(hands.press(caps_lock));
    CHECK(hands.character(0x10) == u'Q');
    CHECK_FALSE(hands.translator.caps_lock());
}

TEST_CASE("other keys have the scan codes of the specification", "[efi]")
{
    Hands hands;
    CHECK(hands.scan(0x01) == 0x17); // Esc
    CHECK(hands.scan(0xE048) == 0x01);
    CHECK(hands.scan(0xE050) == 0x02);
    CHECK(hands.scan(0xE04D) == 0x03);
    CHECK(hands.scan(0xE04B) == 0x04);
    CHECK(hands.scan(0xE053) == 0x08);
    CHECK(hands.scan(0xE051) == 0x0A);
    CHECK(hands.scan(0x3B) == 0x0B); // F1
    CHECK(hands.scan(0x44) == 0x14);
    CHECK(hands.scan(0x57) == 0x15);
    CHECK(hands.scan(0x58) == 0x16);
    CHECK(hands.scan(0x48) == 0x01); // the number pad's
}

TEST_CASE("no code beyond the tables is a key", "[efi]")
{
    Hands hands;
    unsigned keys = 0;
    for (std::uint32_t code = 0; code <= 0xFFFF; ++code) {
        auto const key = hands.press(code);
        (void)hands.release(code);
        if (!key) continue;
        ++keys;
        CHECK((key->key.scan_code != 0) != (key->key.character != 0));
    }
    CHECK(keys == 90);
}

TEST_CASE("Control makes control characters of letters alone", "[efi]")
{
    Hands hands;
    CHECK_FALSE(hands.press(left_control));
    auto const letter = hands.press(0x2E);
    REQUIRE(letter);
    CHECK(letter->key.character == u'c');
    CHECK(letter->state.shift == (shift_state::valid | shift_state::left_control));
    CHECK(control_character(*letter).character == 3);
    CHECK(control_character(*hands.press(0x02)).character == u'1');
    CHECK_FALSE(hands.release(left_control));
    CHECK(control_character(*hands.press(0x2E)).character == u'c');
    CHECK_FALSE(hands.press(left_control));
    hands.translator.release_all();
    CHECK(control_character(*hands.press(0x2E)).character == u'c');
}

TEST_CASE("who registers without a state hears of all of them", "[efi]")
{
    KeyData const key{{0, u'c'}, {shift_state::valid | shift_state::left_control, toggle_state::valid}};
    CHECK(matches(key, key));
    CHECK(matches({{0, u'c'}, {0, 0}}, key));
    CHECK_FALSE(matches({{0, u'd'}, {0, 0}}, key));
    CHECK_FALSE(matches({{1, u'c'}, {0, 0}}, key));
    CHECK_FALSE(matches({{0, u'c'}, {shift_state::valid | shift_state::right_control, 0}}, key));
    CHECK_FALSE(matches({{0, u'c'}, {0, toggle_state::valid | toggle_state::caps_lock}}, key));
}
