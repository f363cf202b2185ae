/// Overlay pages (TLFS 2.0a 8.1.3): a page of the hypervisor's hides memory, and gives it back unharmed.
#pragma once

#include "runtime/memory.hpp"
#include "runtime/test.hpp"

namespace guest {

/// Helpers for RUN: enable the overlay that the MSR controls over a filled page, disable or move it, and look at what
/// lay beneath.
void overlay_gives_back(u32 msr, Page& page);
void overlay_moves(u32 msr, Page& from, Page& to);

} // namespace guest
