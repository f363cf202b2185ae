/// The configuration file of `porthole run --config`: TOML, one [[guest]] for each guest. docs/configuration.md
/// describes it.
#pragma once

#include "vmm/options/run_options.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace vmm {

/// Reads the file. Throws UserError with one line; what is wrong inside begins with "PATH:LINE:COLUMN: ".
[[nodiscard]] std::vector<GuestOptions> read_config(std::string const& path, KnownNames const& known);

/// The same for a text. `path` is for the messages, and its folder is what relative paths in the text start from.
[[nodiscard]] std::vector<GuestOptions> parse_config(std::string_view text, std::string const& path,
                                                     KnownNames const& known);

} // namespace vmm
