/// The benchmarks, by what they need. Each group prints a line for every one of its own: measured, skipped or failed.
#pragma once

#include "runtime/machine.hpp"

namespace guest {

/// Exits that any guest has, hypercalls, clocks.
void exits();
void calls();
void clocks();

/// What reaches this processor's own SynIC.
void deliveries();
void timers();

/// What one processor does to another, which is halted.
void between_processors();

/// What all processors do at the same time, each for itself.
void all_at_once();

/// What one guest does to another.
void between_guests();

/// What depends on how many other ports the partition has. Needs a pool for them.
void among_ports(u32 count);

} // namespace guest
