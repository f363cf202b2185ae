/// Ports and connections of the root partition under whatever ID is free: every guest's VMBus wants some.
#pragma once

#include "hv/abi/types.hpp"
#include "hv/partition/partition.hpp"
#include "hv/port/port.hpp"

#include <optional>

namespace hv::vmbus {

/// nullopt when the root has no room, or the spec is refused.
[[nodiscard]] std::optional<PortId> create_root_port(Partition& root, PortSpec const& spec);

/// Connects the root to a guest's port. nullopt when that is refused.
[[nodiscard]] std::optional<ConnectionId> connect_root(Partition& root, Partition& guest, PortId port,
                                                       abi::PortType type);

} // namespace hv::vmbus
