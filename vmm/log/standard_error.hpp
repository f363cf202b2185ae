/// Standard error as the place for everything that Porthole says to its user.
#pragma once

#include "vmm/log/line_writer.hpp"

#include <string_view>

namespace vmm {

/// That of this process; made when it is first asked for. main() finishes it.
[[nodiscard]] LineWriter& standard_error();

/// "porthole: TEXT", ahead of what only logs. `text` may have several lines, without the last one's end.
void tell_user(std::string_view text);

} // namespace vmm
