#include "devices/vmbus/keyboard/key_symbols.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/control/commands/commands.hpp"
#include "vmm/control/json_text.hpp"
#include "vmm/machine/display.hpp"
#include "vmm/machine/guest_services.hpp"

#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

namespace vmm::control {

namespace {

using devices::vmbus::Key;
using devices::vmbus::Keyboard;
using devices::vmbus::ScanCode;
using enum devices::vmbus::Keyboard::Stroke;

constexpr std::size_t most_keys = 8; ///< at once

/// "1e", "0x1e" or "e01d": a code of set 1, perhaps with its prefix. A single character is a key's name.
std::optional<ScanCode> scan_code(std::string_view digits)
{
    if (digits.size() < 2) return std::nullopt;
    if (digits.starts_with("0x")) digits.remove_prefix(2);
    std::uint16_t code = 0;
    auto const* const end = digits.data() + digits.size();
    auto const [at, error] = std::from_chars(digits.data(), end, code, 16);
    auto const prefix = code >> 8;
    bool const plausible =
        (code & 0xFF) != 0 && (code & 0x80) == 0 && (prefix == 0 || prefix == 0xE0 || prefix == 0xE1);
    if (error != std::errc{} || at != end || !plausible) return std::nullopt;
    return ScanCode{code};
}

/// "1e", "enter" or "ctrl+alt+delete".
std::vector<ScanCode> keys_of(std::string const& text)
{
    std::vector<ScanCode> keys;
    for (std::size_t from = 0; from <= text.size() && keys.size() <= most_keys;) {
        auto const plus = std::min(text.find('+', from), text.size());
        auto const name = std::string_view{text}.substr(from, plus - from);
        auto const named = devices::vmbus::key_named(name);
        auto const code = named ? named : scan_code(name);
        if (!code)
            throw UserError{"code: '" + printable(std::string{name}) +
                            "' is no key: write a name such as a, f1, enter or ctrl+alt+delete, or a scan code of "
                            "set 1, such as 1e for A or e01d for the right Control key"};
        keys.push_back(*code);
        from = plus + 1;
    }
    if (keys.size() > most_keys) throw UserError{"code: more than 8 keys at once: press fewer"};
    return keys;
}

[[noreturn]] void refuse_strokes()
{
    throw UserError{"no driver in the guest takes keys"};
}

/// What the character is on a US keyboard.
Key key_of(char character)
{
    constexpr std::uint32_t enter = 0xFF0D;
    constexpr std::uint32_t tab = 0xFF09;
    auto const symbol = character == '\n'   ? enter
                        : character == '\t' ? tab
                                            : static_cast<std::uint32_t>(static_cast<unsigned char>(character));
    auto const key = symbol < ' ' ? std::nullopt : devices::vmbus::key_of_symbol(symbol);
    if (!key)
        throw UserError{"text: it has characters that a US keyboard has not: type others, or use key for keys of "
                        "their own"};
    return *key;
}

/// With a display, firmware's keyboard counts too.
bool strike(Guest& guest, ScanCode code, Keyboard::Stroke stroke)
{
    auto* const display = guest.display();
    return display ? display->strike(code, stroke) : guest.services().keyboard().strike(code, stroke);
}

bool strike(Guest& guest, Key const& key)
{
    constexpr ScanCode shift{0x2A};
    bool const shifted = key.shift == Key::Shift::With;
    return (!shifted || strike(guest, shift, Press)) && strike(guest, key.code, Press) &&
           strike(guest, key.code, Release) && (!shifted || strike(guest, shift, Release));
}

} // namespace

/// Presses keys, one after the other, and releases them in the opposite order.
void key(Call& call)
{
    auto const keys = keys_of(call.arguments.take("code"));
    call.arguments.refuse_rest();
    for (auto const code : keys)
        if (!strike(*call.guest, code, Press)) refuse_strokes();
    for (auto code = keys.rbegin(); code != keys.rend(); ++code)
        if (!strike(*call.guest, *code, Release)) refuse_strokes();
    call.reply.answer(nlohmann::json::object());
}

/// Types a text, as far as the guest takes it.
void type(Call& call)
{
    auto const text = call.arguments.take("text");
    call.arguments.refuse_rest();
    std::vector<Key> keys(text.size());
    std::ranges::transform(text, keys.begin(), key_of);
    std::size_t typed = 0;
    while (typed < keys.size() && strike(*call.guest, keys[typed]))
        ++typed;
    if (typed == 0 && !keys.empty()) refuse_strokes();
    if (typed < keys.size())
        throw UserError{"the guest's driver took only " + std::to_string(typed) +
                        " characters: wait a moment, and type the rest"};
    call.reply.answer(nlohmann::json::object());
}

} // namespace vmm::control
