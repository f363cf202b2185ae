/// Bytes as text (RFC 4648 §4).
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vmm::control {

[[nodiscard]] std::string base64(std::span<std::byte const> bytes);
/// Nothing for what is none.
[[nodiscard]] std::optional<std::vector<std::byte>> from_base64(std::string_view text);

} // namespace vmm::control
