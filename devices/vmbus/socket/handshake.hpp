/// What is said on the host's UNIX sockets before the bytes of a connection, and how they are named.
#pragma once

#include "devices/vmbus/socket/protocol.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace devices::vmbus::socket {

inline constexpr std::size_t longest_request = 32; ///< bytes, with the line's end

/// Of "CONNECT 1234\n".
[[nodiscard]] std::optional<Port> requested_port(std::string_view line);

/// "OK 1073741824\n": from which port the host is connected.
[[nodiscard]] std::string greeting_for(Port host_end);

/// Where the host's program listens that the guest reaches at this port.
[[nodiscard]] std::string path_for(std::string const& base, Port port);

} // namespace devices::vmbus::socket
