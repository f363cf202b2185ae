/// JSON as text, whatever the strings in it are made of.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace vmm::control {

/// On one line, without its end. Bytes that are no UTF-8, as a guest or a file name may have them, become U+FFFD.
[[nodiscard]] std::string to_text(nlohmann::json const& value);

/// What somebody else has written, with bounds that nlohmann's parser has not. Throws UserError, one line that begins
/// with `what`: no JSON, more than `deepest` objects and arrays in each other, or a key twice in one object.
[[nodiscard]] nlohmann::json parse_json(std::string_view text, int deepest, std::string const& what);

/// A name that somebody else chose, for a message of one line: short, control characters as '?'.
[[nodiscard]] std::string printable(std::string_view name);

} // namespace vmm::control
