/// What the loader told us: command line and processors.
#pragma once

#include "runtime/layout.h"
#include "runtime/machine.hpp"

namespace guest {

/// Copies what is needed out of hvm_start_info or the Multiboot information, before anything overwrites it.
void read_start_info();

/// The command line, without the program's name; empty when there is none.
char const* command_line();

/// The text after `key=` up to the next space, or an empty string. The result lives until the next call.
char const* option(char const* key);

/// The decimal number there; zero when there is none.
u64 numeric_option(char const* key);

struct ApicIds {
    u32 count;
    u32 id[GUEST_MAX_CPUS];
};

/// The processors that the ACPI MADT names as enabled; without ACPI, APIC IDs 0 to N-1 with N from `cpus=N`.
void find_processors(ApicIds& ids);

} // namespace guest
