/// Which disks a command may add to a guest that runs.
#pragma once

#include "vmm/options/run_options.hpp"

namespace vmm::jail {

/// One of an image that the run has been given, of a file in a folder of --allow, or, if it has servers, on an NBD
/// server. Anything when the jail has neither landlock nor seccomp. Throws UserError otherwise, with a line that says
/// how to allow it.
void permit(RunOptions const& options, DiskOptions const& disk);

} // namespace vmm::jail
