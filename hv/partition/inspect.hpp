/// What a partition is made of at this moment.
#pragma once

#include "hv/base/inspect.hpp"

#include <cstddef>

namespace hv {

class Partition;

/// So many ports, and so many connections, are described one by one; of all others there is the number.
inline constexpr std::size_t inspected_ports = 64;

/// The partition's rights, pool and registers, its ports and its connections; not its VPs. While others use it, from
/// any thread that has no lock of the model; takes one port's lock at a time. Called with the partition kept alive.
void inspect(Partition& partition, Inspector& inspector);

} // namespace hv
