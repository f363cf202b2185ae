/// What a caller may have left to this process in an unusual state: closed standard streams, blocked signals.
#pragma once

namespace vmm {

/// Fills the places of closed standard descriptors with ones that fail on use, so that a device or a file opened
/// later never gets number 0, 1 or 2 and becomes the guest's console. Called first in `main`.
void reserve_standard_streams();

/// Writes beyond a pipe's reader or the size that a file may have are errors and end nobody; and no signal is
/// blocked, whatever the caller has left to this process. Called next.
void settle_signals();

} // namespace vmm
