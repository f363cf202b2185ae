/// What `main` dispatches to.
#pragma once

#include "vmm/cli/ctl_command.hpp"
#include "vmm/options/run_options.hpp"

namespace vmm {

/// Launches the guest and stays until it ends. Returns the process's exit status; throws UserError.
[[nodiscard]] int run(RunOptions const& options);

/// Reports on this machine's KVM. Returns 0 when guests can run here, 2 otherwise.
[[nodiscard]] int doctor();

/// Asks a running Porthole, by its control socket, and prints the answer. Returns 0, or 1 when the answer is an
/// error; throws UserError when there is none.
[[nodiscard]] int ctl(CtlRequest request);

} // namespace vmm
