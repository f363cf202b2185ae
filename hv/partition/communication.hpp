/// Ports and connections between partitions: what the hypercalls of TLFS 2.0a §14.9 do once their caller has been
/// found to be allowed. The root partition and the test devices use them directly. All are callable from any thread.
#pragma once

#include "hv/abi/message.hpp"
#include "hv/abi/result.hpp"
#include "hv/abi/types.hpp"
#include "hv/child/doorbells.hpp"
#include "hv/port/port.hpp"

#include <cstdint>
#include <optional>

namespace hv {

class Partition;

namespace communication {

/// Charged to the owner's pool for each port: the port and its sixteen buffers. Bytes.
inline constexpr std::uint64_t port_charge = sizeof(Port) + sizeof(PortBuffers);
/// Charged for each connection, bytes.
inline constexpr std::uint64_t connection_charge = 64;

/// Charged on top for a monitor port: the page, what it covers, and what the scanner keeps of it. Bytes.
inline constexpr std::uint64_t monitor_port_charge = 3 * page_size;
/// Charged on top for a connection that has a monitor page: what that covers, and its bookkeeping.
inline constexpr std::uint64_t monitor_connection_charge = page_size + 256;
/// Charged on top for a connection by which a child's writes ring.
inline constexpr std::uint64_t doorbell_connection_charge = 256;

/// Makes a port in `owner`. InvalidPortId: in use; InvalidParameter, InvalidVpIndex, InvalidAlignment: the spec;
/// InsufficientMemory: the pool is exhausted; InvalidPartitionState: the owner is being removed; NoResources:
/// Porthole's own limits.
[[nodiscard]] Status create_port(Partition& owner, PortId id, PortSpec const& spec);

/// Deletes a port with its buffers and the messages queued in them. Afterwards nothing that came through it enters a
/// slot any more. InvalidPortId when there is none.
[[nodiscard]] Status delete_port(Partition& owner, PortId id);

/// What a connection is made with (§14.8.9).
struct ConnectionInfo {
    ConnectionInfo(abi::PortType wanted) : type{wanted} {}
    ConnectionInfo(abi::PortType wanted, std::uint64_t word) : type{wanted}, address{word} {}
    /// The eight bytes of §14.9.3, whose meaning depends on the port's type.
    [[nodiscard]] static ConnectionInfo untyped(std::uint64_t word) { return ConnectionInfo{word}; }
    explicit ConnectionInfo(DoorbellTrigger const& wanted) : type{abi::PortType::Doorbell}, trigger{wanted} {}

    std::optional<abi::PortType> type;    ///< what the port must be
    std::optional<std::uint64_t> address; ///< of the monitor page in the sender; without one, it shows nowhere in it
    std::optional<DoorbellTrigger> trigger;

  private:
    explicit ConnectionInfo(std::uint64_t word) : address{word} {}
};

/// Connects `sender` to a port of `receiver` that names `sender` as its connection partition.
[[nodiscard]] Status connect(Partition& sender, ConnectionId id, Partition& receiver, PortId port,
                             ConnectionInfo const& info);

/// Messages already posted through the connection are unaffected.
[[nodiscard]] Status disconnect(Partition& sender, ConnectionId id);

/// HvPortPropertyPostCount or HvPortPropertyPreferredTargetVp of a port; InvalidPortId when there is none, or
/// UnknownProperty.
[[nodiscard]] Result<std::uint64_t> port_property(Partition& owner, PortId id, abi::PortProperty code);

/// Sets the preferred VP of a port for HV_ANY_VP: HV_ANY_VP, which is none, or a VP of the owner, else
/// PropertyValueOutOfRange. OperationDenied: the post count, or a port for one VP.
[[nodiscard]] Status set_port_property(Partition& owner, PortId id, abi::PortProperty code, std::uint64_t value);

/// Sends a message whose header has type and payload size set and checked; the origin is filled in here.
[[nodiscard]] Status post(Partition& sender, ConnectionId id, abi::Message& message);

[[nodiscard]] Status signal(Partition& sender, ConnectionId id, std::uint32_t flag);

/// A child's write rings a doorbell port of its parent's. Nothing happens when that is gone, or its target takes no
/// rings.
void ring(Partition& child, ConnectionId id);

/// Deletes every port and connection of a partition.
void sever(Partition& partition);

} // namespace communication

} // namespace hv
