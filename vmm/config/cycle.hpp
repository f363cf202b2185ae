/// Whether things that refer to each other do so in a circle.
#pragma once

#include <cstddef>
#include <vector>

namespace vmm {

/// `edges[n]` are the indices that n refers to. The members of one cycle in the order in which they refer to each
/// other, beginning with its lowest; empty when there is none.
[[nodiscard]] std::vector<std::size_t> find_cycle(std::vector<std::vector<std::size_t>> const& edges);

} // namespace vmm
