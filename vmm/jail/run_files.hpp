/// Which files a run uses by their names once its guests run.
#pragma once

#include "vmm/jail/landlock.hpp"
#include "vmm/options/run_options.hpp"

#include <string>
#include <vector>

namespace vmm::jail {

/// Rules for what a restart opens again, for disks of --allow, and for what names of servers are looked up by. A file
/// that is not there is left out: whoever needs it says so.
[[nodiscard]] Landlock rules_for(RunOptions const& options);

/// Whether a guest has a disk on an NBD server, or may be given one.
[[nodiscard]] bool has_servers(RunOptions const& options);

/// Descriptors that the options name by /dev/fd/N or /proc/self/fd/N, and the standard streams.
[[nodiscard]] std::vector<int> named_descriptors(RunOptions const& options);

} // namespace vmm::jail
