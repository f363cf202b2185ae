/// Hyper-V sockets: how connections are named and offered, and what is in their rings (Linux
/// net/vmw_vsock/hyperv_transport.c; the offer's layout after OpenVMM's vmbus_core).
#pragma once

#include "hv/abi/guid.hpp"
#include "hv/vmbus/channel.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>

namespace devices::vmbus::socket {

/// A port of AF_VSOCK.
using Port = hv::Id<struct PortTag, std::uint32_t>;

/// The service that stands for a port; the port is its first field.
[[nodiscard]] hv::vmbus::Guid service_of(Port port);
[[nodiscard]] std::optional<Port> port_of(hv::vmbus::Guid const& service);

/// The host's end of a connection that the host began. Different from what a guest's AF_VSOCK would name.
[[nodiscard]] hv::vmbus::Guid host_end_of(Port port);

enum class Direction { FromGuest, FromHost };

/// `service` is where the connection goes to, `instance` where it comes from.
[[nodiscard]] hv::vmbus::OfferSpec offer(hv::vmbus::Guid const& service, hv::vmbus::Guid const& instance,
                                         Direction direction);

/// In front of the bytes of each packet. A packet without bytes says that no more come.
struct PacketHeader {
    std::uint32_t type; ///< `packet_data`
    std::uint32_t size; ///< of the bytes
};
static_assert(sizeof(PacketHeader) == 8);

inline constexpr std::uint32_t packet_data = 1;

/// Linux takes no more in one packet.
inline constexpr std::size_t most_bytes = 16 << 10;

} // namespace devices::vmbus::socket
