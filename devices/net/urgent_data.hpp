/// Urgent data of TCP (RFC 9293 3.8.5) in frames for libslirp.
#pragma once

#include <cstddef>
#include <span>

namespace devices::net {

/// Makes urgent data of the frame's TCP segment data like any other, as RFC 6093 advises; its checksum stays right,
/// or wrong. For libslirp before 4.9.2: it believes how much urgent data a guest says there is, and sends what lies
/// behind the data in the process's memory along (https://gitlab.freedesktop.org/slirp/libslirp/-/issues/93).
void clear_urgent(std::span<std::byte> frame);

} // namespace devices::net
