/// A TCP socket that others connect to.
#pragma once

#include "vmm/host/unique_fd.hpp"

#include <cstdint>
#include <string>

namespace vmm {

/// It listens at an address in numbers, IPv4 or IPv6, and does not block. `option` is what the user named it with.
/// Throws UserError.
[[nodiscard]] UniqueFd listen_tcp(std::string const& option, std::string const& address, std::uint16_t port);

} // namespace vmm
