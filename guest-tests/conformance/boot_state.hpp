/// The synthetic MSRs as the boot processor found them, before anything here wrote one.
#pragma once

#include "runtime/traps.hpp"

namespace guest {

/// Reads them once; without Hyper-V, nothing.
void record_boot_state();

/// What the MSR held. Not ok when it was not there, or is one that must not be read for fun (GUEST_IDLE).
[[nodiscard]] MsrRead boot_value(u32 msr);

} // namespace guest
