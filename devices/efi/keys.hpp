/// What strokes of a US keyboard mean to firmware: UEFI Specification 2.10 §12.2, appendix B.
#pragma once

#include "devices/efi/efi.hpp"

namespace efi {

/// A keyboard's state, and what its next stroke is. Begins with nothing pressed.
class KeyTranslator {
  public:
    /// `code` is of scan code set 1, with its prefix. False for a stroke that is no key: a release, Shift, and what
    /// has no meaning here. A character that Control changes is told as without it: see control_character.
    [[nodiscard]] bool stroke(uint32_t code, bool release, KeyData& key);

    [[nodiscard]] bool caps_lock() const { return caps_lock_; }
    void set_caps_lock(bool on) { caps_lock_ = on; }
    /// As if all keys were let go of.
    void release_all() { shift_ = 0; }

  private:
    uint32_t shift_ = 0;
    bool caps_lock_ = false;
};

/// The key as the protocol without shift states tells it: of Control and a letter the control character (§12.3.2).
[[nodiscard]] InputKey control_character(KeyData const& key);

/// Whether what happened is what somebody has registered for (§12.2.5): a state of 0 is any.
[[nodiscard]] bool matches(KeyData const& registered, KeyData const& key);

} // namespace efi
