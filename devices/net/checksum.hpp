/// The checksum of IP, TCP and UDP (RFC 1071).
#pragma once

#include "devices/net/offload.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/uio.h>

namespace devices::net {

/// Adds bytes up as 16-bit words in ones' complement, over pieces that may have any lengths. The sums are of words as
/// they lie in memory, so that what comes out goes back there unswapped.
class ChecksumSum {
  public:
    void add(std::span<std::byte const> bytes);
    /// The sum, folded to 16 bits and not complemented.
    [[nodiscard]] std::uint16_t folded() const;

  private:
    std::uint64_t sum_ = 0;
    bool odd_ = false; ///< an odd number of bytes is in it
};

/// The checksum of an IPv4 header whose field is taken for zero. As it lies in memory.
[[nodiscard]] std::uint16_t ipv4_header_checksum(std::span<std::byte const> header);

/// Does what `offload.needs_checksum` asks for to a frame that lies in these pieces, and takes the flag away. Nothing
/// but that when the frame has no such field.
void fill_in_checksum(Offload& offload, std::span<iovec const> frame, std::size_t length);

} // namespace devices::net
