/// An answer of the control socket, as people like to read it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace vmm::control {

/// An indented tree: a line for each value, with its name. Control characters in strings are shown as '?'. Empty for
/// an empty object.
[[nodiscard]] std::string to_readable(nlohmann::json const& value);

} // namespace vmm::control
