/// Strings between the UTF-8 of this program and the little-endian UTF-16 of Hyper-V's messages.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace devices::vmbus {

/// Up to the first NUL or the end of `bytes`. What is no UTF-16 becomes U+FFFD.
[[nodiscard]] std::string from_utf16(std::span<std::byte const> bytes);

/// What is no UTF-8 becomes U+FFFD.
[[nodiscard]] std::u16string to_utf16(std::string_view text);

} // namespace devices::vmbus
