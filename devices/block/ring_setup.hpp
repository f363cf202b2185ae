/// An io_uring that does for a disk image what Porthole asks of it, and nothing else: what goes through a ring passes
/// no filter of system calls.
#pragma once

#include <liburing.h>

namespace devices::block {

/// Makes a ring that refuses other operations, flags and registrations with EACCES, for as long as it lives. A kernel
/// that cannot do that (Linux before 5.10) makes one that refuses nothing. 0, or -errno.
[[nodiscard]] int set_up_ring(io_uring& ring, unsigned entries);

/// Whether this kernel, or the container, has rings that refuse.
[[nodiscard]] bool can_restrict_rings();

} // namespace devices::block
