/// Ports and connections between partitions: what the hypercalls of TLFS 2.0a §14.9 do once their caller has been
/// found to be allowed. The root partition and the test devices use them directly. All are callable from any thread.
#pragma once

#include "hv/abi/message.hpp"
#include "hv/abi/status.hpp"
#include "hv/partition/port.hpp"
#include "hv/types.hpp"

#include <cstdint>
#include <optional>

namespace hv {

class Partition;

namespace communication {

/// Charged to the owner's pool for each port: the port and its sixteen buffers. Bytes.
inline constexpr std::uint64_t port_charge = sizeof(Port) + sizeof(PortBuffers);
/// Charged for each connection, bytes.
inline constexpr std::uint64_t connection_charge = 64;

/// Makes a port in `owner`. InvalidPortId: in use; InvalidParameter, InvalidVpIndex: the spec; InsufficientMemory:
/// the pool is exhausted; InvalidPartitionState: the owner is being removed; NoResources: Porthole's own limit.
[[nodiscard]] Status create_port(Partition& owner, PortId id, PortSpec const& spec);

/// Deletes a port with its buffers and the messages queued in them. Afterwards nothing that came through it enters a
/// slot any more. InvalidPortId when there is none.
[[nodiscard]] Status delete_port(Partition& owner, PortId id);

/// Connects `sender` to a port of `receiver` that names `sender` as its connection partition and has the given type,
/// if one is given.
[[nodiscard]] Status connect(Partition& sender, ConnectionId id, Partition& receiver, PortId port,
                             std::optional<abi::PortType> type);

/// Messages already posted through the connection are unaffected.
[[nodiscard]] Status disconnect(Partition& sender, ConnectionId id);

/// Sends a message whose header has type and payload size set and checked; the origin is filled in here.
[[nodiscard]] Status post(Partition& sender, ConnectionId id, abi::Message& message);

[[nodiscard]] Status signal(Partition& sender, ConnectionId id, std::uint32_t flag);

/// Deletes every port and connection of a partition.
void sever(Partition& partition);

} // namespace communication

} // namespace hv
