/// Who a process that root has started is to be: its user, the root of its paths, its network, its cgroup.
#pragma once

#include "vmm/options/run_options.hpp"

namespace vmm::jail {

/// Does what --cgroup, --netns, --chroot and --user say, in this order; nothing that is not given. While the process
/// has one thread. Throws UserError: one line that says what is missing and how to mend it.
void assume_identity(JailOptions const& options, bool has_user_network);

} // namespace vmm::jail
