/// The value of --net, and of the key `net` in a configuration file.
#pragma once

#include "vmm/options/run_options.hpp"

#include <string_view>

namespace vmm {

/// "user[,mac=MAC][,bootindex=N][,hostfwd=tcp::2222-:22]…[,tftp=FOLDER][,bootfile=NAME]", or
/// "tap=NAME[,mac=MAC][,bootindex=N]". Throws UserError with one line that says what to write instead.
[[nodiscard]] NetOptions parse_net(std::string_view option, std::string_view text);

/// A card more. Throws UserError when the guest has all that it may have.
void add_net(GuestOptions& guest, std::string_view option, std::string_view text);

} // namespace vmm
