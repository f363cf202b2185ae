#include "vmm/base/user_error.hpp"
#include "vmm/control/commands/commands.hpp"
#include "vmm/control/json_text.hpp"
#include "vmm/machine/guest_services.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

namespace vmm::control {

namespace {

/// "1e", "0x1e" or "e01d": a code of set 1, perhaps with its prefix.
devices::vmbus::ScanCode scan_code(std::string const& text)
{
    std::string_view digits = text;
    if (digits.starts_with("0x")) digits.remove_prefix(2);
    std::uint16_t code = 0;
    auto const* const end = digits.data() + digits.size();
    auto const [at, error] = std::from_chars(digits.data(), end, code, 16);
    auto const prefix = code >> 8;
    bool const plausible =
        (code & 0xFF) != 0 && (code & 0x80) == 0 && (prefix == 0 || prefix == 0xE0 || prefix == 0xE1);
    if (error != std::errc{} || at != end || !plausible)
        throw UserError{"code: '" + printable(text) +
                        "' is no scan code of set 1: 1e is A, e01d the right Control key"};
    return devices::vmbus::ScanCode{code};
}

} // namespace

/// Presses a key of the synthetic keyboard and releases it.
void key(Call& call)
{
    using devices::vmbus::Keyboard;
    auto const code = scan_code(call.arguments.take("code"));
    call.arguments.refuse_rest();
    auto& keyboard = call.guest->services().keyboard();
    bool const struck = keyboard.strike(code, Keyboard::Stroke::Press);
    if (!struck || !keyboard.strike(code, Keyboard::Stroke::Release))
        throw UserError{"no driver in the guest takes keys"};
    call.reply.answer(nlohmann::json::object());
}

} // namespace vmm::control
