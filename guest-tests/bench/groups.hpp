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

/// What one processor does to another, which is halted; and of that what needs no hypervisor.
void between_processors();
void interrupt_between_processors();

/// What all processors do at the same time, each for itself.
void all_at_once();

/// What one guest does to another.
void between_guests();

/// What depends on how many other ports the partition has. Needs a pool for them.
void among_ports(u32 count);

/// What a guest pays that makes partitions, and what these pay for what a guest of its own does too. The image is as
/// it was when it started, but for what starting did to it.
void with_children();
/// What making and deleting one costs while there are so many others, 255 at most.
void lives_beside(u32 others);
/// In such a partition: timers, or, with another processor, an interrupt to that.
void as_child();

} // namespace guest
