/// Which key of a US keyboard is meant by what viewers and people call it.
#pragma once

#include "devices/vmbus/keyboard/keyboard.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string_view>

namespace devices::vmbus {

/// A key, and whether Shift makes it what was meant.
struct Key {
    ScanCode code;
    enum class Shift {
        Either,  ///< it means the same with and without
        Without, ///< a letter, a digit or a sign as it stands below on the key
        With,    ///< as it stands above
    } shift = Shift::Either;
    bool letter = false; ///< one that Caps Lock turns over as well
};

/// X11's symbol of a key (keysymdef.h), by which the RFB protocol names keys (RFC 6143 §7.5.4).
[[nodiscard]] std::optional<Key> key_of_symbol(std::uint32_t symbol);

/// "a", "enter", "ctrl", "f1", "up": what people write. Letters are small.
[[nodiscard]] std::optional<ScanCode> key_named(std::string_view name);

/// One keyboard of a viewer's, whose symbols become strokes of a US keyboard: where a symbol stands elsewhere on the
/// viewer's, Shift is pressed or let go of around it.
class SymbolKeyboard {
  public:
    using Strike = std::function<void(ScanCode, Keyboard::Stroke)>;

    explicit SymbolKeyboard(Strike strike) : strike_{std::move(strike)} {}

    void key(std::uint32_t symbol, bool down);
    /// Lets go of all that is still pressed: the viewer is gone.
    void release_all();

  private:
    void press(Key const& key);
    [[nodiscard]] bool shifted() const;

    Strike const strike_;
    std::set<ScanCode> pressed_; ///< no more than there are keys
};

} // namespace devices::vmbus
