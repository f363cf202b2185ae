/// The system calls that any program of others makes which is executed with nothing but what it is given.
#pragma once

#include "vmm/jail/seccomp_filter.hpp"

namespace vmm::helper {

/// Beginning as a program, threads, time, and what a library asks about itself.
void allow_program(jail::SeccompFilter& filter);

/// Connections that it is given, or accepts from a listener that it is given, and waiting.
void allow_given_connections(jail::SeccompFilter& filter);

} // namespace vmm::helper
