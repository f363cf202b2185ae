/// JSON as text, whatever the strings in it are made of.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace vmm::control {

/// On one line, without its end. Bytes that are no UTF-8, as a guest or a file name may have them, become U+FFFD.
[[nodiscard]] std::string to_text(nlohmann::json const& value);

/// A name that somebody else chose, for a message of one line: short, control characters as '?'.
[[nodiscard]] std::string printable(std::string_view name);

} // namespace vmm::control
