/// The VMM's name for the owner of a file descriptor, which devices' backends use as well.
#pragma once

#include "devices/base/unique_fd.hpp"

namespace vmm {

using devices::UniqueFd;

} // namespace vmm
