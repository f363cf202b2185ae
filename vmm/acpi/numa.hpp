/// How a guest's processors and memory are divided into NUMA nodes.
#pragma once

#include "vmm/base/memory_layout.hpp"

#include <vector>

namespace vmm {

/// One, which is one proximity domain to ACPI.
struct NumaNode {
    unsigned first_cpu;
    unsigned cpus;
    std::vector<MemoryRange> memory{}; ///< one range, or two around the MMIO hole

    friend bool operator==(NumaNode const&, NumaNode const&) = default;
};

/// Nodes that follow on each other, with the same number of processors, which is a multiple of theirs, and about the
/// same memory: what lies between two is a multiple of layout::hot_add_block where each node has that much, and of 2
/// MiB where it has less.
[[nodiscard]] std::vector<NumaNode> numa_nodes(MemoryLayout const& layout, unsigned cpus, unsigned nodes);

} // namespace vmm
