/// The value of --cpus, and of the key `cpus` in a configuration file.
#pragma once

#include "vmm/options/run_options.hpp"

#include <string_view>

namespace vmm {

struct CpuOptions {
    unsigned cpus = 1;
    CpuTopology topology{};

    friend bool operator==(CpuOptions const&, CpuOptions const&) = default;
};

/// "N[,sockets=N][,cores=N][,threads=N][,nodes=N]": 1 to GuestOptions::max_cpus processors. What is not said of
/// sockets, threads and NUMA nodes is 1, and cores are the rest. A node has whole sockets, or a socket whole nodes. A
/// core's threads, and a socket's processors where there are several sockets, are a power of two: a processor's APIC
/// ID, whose bits say where it is, is its VP index. Throws UserError with one line that says what to write instead.
[[nodiscard]] CpuOptions parse_cpus(std::string_view option, std::string_view text);

/// Throws UserError likewise, when nodes have too little memory.
void check_nodes(GuestOptions const& guest);

void set_cpus(GuestOptions& guest, CpuOptions const& options);

} // namespace vmm
