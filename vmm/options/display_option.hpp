/// The value of --display, and of the key `display` in a configuration file.
#pragma once

#include "vmm/options/run_options.hpp"

#include <string_view>

namespace vmm {

/// "vnc=ADDRESS:PORT", "vnc=unix:PATH", both perhaps with ",password-file=PATH", or "offscreen". Throws UserError
/// with one line that says what to write instead.
[[nodiscard]] DisplayOptions parse_display(std::string_view option, std::string_view text);

} // namespace vmm
