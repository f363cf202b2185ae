#include "devices/vmbus/keyboard/key_symbols.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace devices::vmbus {

namespace {

using Shift = Key::Shift;

constexpr ScanCode left_shift{0x2A};
constexpr ScanCode right_shift{0x36};

/// Neighbouring keys, from the code of the first one on.
struct Row {
    std::uint16_t first;
    std::string_view below;
    std::string_view above;
};
constexpr std::array rows{Row{0x02, "1234567890-=", "!@#$%^&*()_+"}, Row{0x10, "qwertyuiop[]", "QWERTYUIOP{}"},
                          Row{0x1E, "asdfghjkl;'`", "ASDFGHJKL:\"~"}, Row{0x2B, "\\zxcvbnm,./", "|ZXCVBNM<>?"}};

std::optional<Key> key_of_character(char character)
{
    if (character == ' ') return Key{ScanCode{0x39}};
    bool const letter = (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z');
    for (auto const& row : rows) {
        for (auto const& [signs, shift] : {std::pair{row.below, Shift::Without}, std::pair{row.above, Shift::With}}) {
            auto const at = signs.find(character);
            if (at != std::string_view::npos)
                return Key{ScanCode{static_cast<std::uint16_t>(row.first + at)}, shift, letter};
        }
    }
    return std::nullopt;
}

struct Named {
    std::uint32_t symbol;
    std::uint16_t code;
    std::string_view name; ///< empty for a second symbol of a key, or one that nobody needs by name
};
constexpr std::array named{
    Named{0xFF08, 0x0E, "backspace"},  Named{0xFF09, 0x0F, "tab"},
    Named{0xFE20, 0x0F, ""},           Named{0xFF0D, 0x1C, "enter"},
    Named{0xFF0D, 0x1C, "return"},     Named{0xFF1B, 0x01, "esc"},
    Named{0xFF1B, 0x01, "escape"},     Named{0x0020, 0x39, "space"},
    Named{0xFFFF, 0xE053, "delete"},   Named{0xFFFF, 0xE053, "del"},
    Named{0xFF63, 0xE052, "insert"},   Named{0xFF50, 0xE047, "home"},
    Named{0xFF57, 0xE04F, "end"},      Named{0xFF55, 0xE049, "pageup"},
    Named{0xFF56, 0xE051, "pagedown"}, Named{0xFF51, 0xE04B, "left"},
    Named{0xFF52, 0xE048, "up"},       Named{0xFF53, 0xE04D, "right"},
    Named{0xFF54, 0xE050, "down"},     Named{0xFF61, 0xE037, "print"},
    Named{0xFF67, 0xE05D, "menu"},     Named{0xFF7F, 0x45, "numlock"},
    Named{0xFF14, 0x46, "scrolllock"}, Named{0xFFE5, 0x3A, "capslock"},
    Named{0xFFE1, 0x2A, "shift"},      Named{0xFFE2, 0x36, "rightshift"},
    Named{0xFFE3, 0x1D, "ctrl"},       Named{0xFFE4, 0xE01D, "rightctrl"},
    Named{0xFFE9, 0x38, "alt"},        Named{0xFFEA, 0xE038, "altgr"},
    Named{0xFE03, 0xE038, ""},         Named{0xFFE7, 0xE05B, ""},
    Named{0xFFEB, 0xE05B, "win"},      Named{0xFFE8, 0xE05C, ""},
    Named{0xFFEC, 0xE05C, "rightwin"}, Named{0xFFBE, 0x3B, "f1"},
    Named{0xFFBF, 0x3C, "f2"},         Named{0xFFC0, 0x3D, "f3"},
    Named{0xFFC1, 0x3E, "f4"},         Named{0xFFC2, 0x3F, "f5"},
    Named{0xFFC3, 0x40, "f6"},         Named{0xFFC4, 0x41, "f7"},
    Named{0xFFC5, 0x42, "f8"},         Named{0xFFC6, 0x43, "f9"},
    Named{0xFFC7, 0x44, "f10"},        Named{0xFFC8, 0x57, "f11"},
    Named{0xFFC9, 0x58, "f12"},        Named{0xFF8D, 0xE01C, ""},
    Named{0xFFAA, 0x37, ""},           Named{0xFFAB, 0x4E, ""},
    Named{0xFFAD, 0x4A, ""},           Named{0xFFAE, 0x53, ""},
    Named{0xFFAF, 0xE035, ""},         Named{0xFFB0, 0x52, ""},
    Named{0xFFB1, 0x4F, ""},           Named{0xFFB2, 0x50, ""},
    Named{0xFFB3, 0x51, ""},           Named{0xFFB4, 0x4B, ""},
    Named{0xFFB5, 0x4C, ""},           Named{0xFFB6, 0x4D, ""},
    Named{0xFFB7, 0x47, ""},           Named{0xFFB8, 0x48, ""},
    Named{0xFFB9, 0x49, ""},           Named{0xFF95, 0x47, ""},
    Named{0xFF96, 0x4B, ""},           Named{0xFF97, 0x48, ""},
    Named{0xFF98, 0x4D, ""},           Named{0xFF99, 0x50, ""},
    Named{0xFF9A, 0x49, ""},           Named{0xFF9B, 0x51, ""},
    Named{0xFF9C, 0x4F, ""},           Named{0xFF9D, 0x4C, ""},
    Named{0xFF9E, 0x52, ""},           Named{0xFF9F, 0x53, ""},
};

} // namespace

std::optional<Key> key_of_symbol(std::uint32_t symbol)
{
    if (symbol >= ' ' && symbol <= '~') return key_of_character(static_cast<char>(symbol)); // Latin 1
    auto const found = std::ranges::find(named, symbol, &Named::symbol);
    if (found == named.end()) return std::nullopt;
    return Key{ScanCode{found->code}};
}

std::optional<ScanCode> key_named(std::string_view name)
{
    if (name.empty()) return std::nullopt;
    auto const found = std::ranges::find(named, name, &Named::name);
    if (found != named.end()) return ScanCode{found->code};
    auto const key = name.size() == 1 ? key_of_character(name.front()) : std::nullopt;
    if (!key || key->shift == Shift::With) return std::nullopt;
    return key->code;
}

bool SymbolKeyboard::shifted() const
{
    return pressed_.contains(left_shift) || pressed_.contains(right_shift);
}

void SymbolKeyboard::key(std::uint32_t symbol, bool down)
{
    auto const key = key_of_symbol(symbol);
    if (!key) return;
    if (down) return press(*key);
    if (pressed_.erase(key->code) != 0) strike_(key->code, Keyboard::Stroke::Release);
}

void SymbolKeyboard::press(Key const& key)
{
    using enum Keyboard::Stroke;
    bool const turns = !key.letter && key.shift != Shift::Either && (key.shift == Shift::With) != shifted();
    pressed_.insert(key.code);
    if (!turns) return strike_(key.code, Press);
    bool const with = key.shift == Shift::With;
    auto const turn = [&](Keyboard::Stroke stroke) {
        if (with) return strike_(left_shift, stroke);
        for (auto const shift : {left_shift, right_shift})
            if (pressed_.contains(shift)) strike_(shift, stroke);
    };
    turn(with ? Press : Release);
    strike_(key.code, Press);
    turn(with ? Release : Press);
}

void SymbolKeyboard::release_all()
{
    for (auto const code : std::exchange(pressed_, {}))
        strike_(code, Keyboard::Stroke::Release);
}

} // namespace devices::vmbus
