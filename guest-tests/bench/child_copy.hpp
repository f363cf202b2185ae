/// This program once more, in a partition that it has made.
#pragma once

#include "runtime/machine.hpp"

namespace guest {

/// From there on nothing of this guest's lies in its memory; up to `copies` it is free for other uses.
inline constexpr u64 spare_memory = u64{16} << 20;

/// Keeps the image as it is now, for the copies.
void keep_image();

/// Runs the copy with `child=1` and so many processors, prints what it prints, and waits for its end.
void run_copy(u32 processors);

} // namespace guest
