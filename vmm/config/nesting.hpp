/// How deep a configuration file nests, found out before a parser does that recurses for each level.
#pragma once

#include "vmm/config/config_node.hpp"

#include <cstddef>
#include <optional>
#include <string_view>

namespace vmm {

/// Where brackets first stand in each other, or parts of a key behind each other, more than `most` times; nothing
/// when they never do. Looks at tokens only: what is no TOML is left to the parser.
[[nodiscard]] std::optional<toml::source_position> find_nesting(std::string_view text, std::size_t most);

} // namespace vmm
