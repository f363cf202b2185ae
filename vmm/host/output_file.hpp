/// The files that Porthole writes text into for its user: serial output, traces, logs.
#pragma once

#include "vmm/host/unique_fd.hpp"

#include <string>

namespace vmm {

enum class Existing {
    Emptied,   ///< what is in the file goes
    Continued, ///< what is written is appended
};

/// Opens the file, or makes it with mode 0600. Not through a symbolic link, which in a folder of several users may be
/// somebody else's; those of /dev and /proc, such as /dev/stdout and /dev/fd/3, are followed. A FIFO must have a
/// reader already, so that nothing waits for one. A block device is refused.
///
/// `what` is for the message. Throws UserError.
[[nodiscard]] UniqueFd open_output(std::string const& what, std::string const& path, Existing existing);

} // namespace vmm
