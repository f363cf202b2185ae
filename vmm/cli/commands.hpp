/// What `main` dispatches to.
#pragma once

#include "vmm/cli/run_options.hpp"

namespace vmm {

/// Launches the guest and stays until it ends. Returns the process's exit status; throws UserError.
[[nodiscard]] int run(RunOptions const& options);

/// Reports on this machine's KVM. Returns 0 when guests can run here, 2 otherwise.
[[nodiscard]] int doctor();

} // namespace vmm
