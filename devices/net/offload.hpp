/// What is left to do to an Ethernet frame, or is known of it, while it travels between a guest and a backend.
#pragma once

#include <cstddef>
#include <cstdint>

namespace devices::net {

enum class Segmentation : std::uint8_t {
    None = 0,
    Tcp4 = 1,
    Tcp6 = 4,
};

/// Laid out as the header that a tap device has in front of each frame, in the machine's byte order (Linux
/// include/uapi/linux/virtio_net.h, virtio_net_hdr). Offsets are bytes from the start of the frame.
struct Offload {
    static constexpr std::uint8_t needs_checksum =
        1; ///< from checksum_start on; the field has the pseudo-header's sum
    static constexpr std::uint8_t checksum_valid = 2; ///< the TCP or UDP checksum has been verified

    static constexpr std::uint8_t segmentation_mask = 0x7F;

    std::uint8_t flags = 0;
    std::uint8_t segmentation = 0;  ///< a Segmentation; bit 7: the TCP header has CWR
    std::uint16_t header_size = 0;  ///< Ethernet to TCP, of a frame to be segmented
    std::uint16_t segment_size = 0; ///< payload of each segment
    std::uint16_t checksum_start = 0;
    std::uint16_t checksum_offset = 0; ///< of the checksum's field, from checksum_start

    [[nodiscard]] bool segmented() const { return (segmentation & segmentation_mask) != 0; }

    friend bool operator==(Offload const&, Offload const&) = default;
};
static_assert(sizeof(Offload) == 10);

/// What a backend does to frames that it is sent.
struct SendOffloads {
    bool checksum = false; ///< fills in checksums of TCP and UDP
    bool large4 = false;   ///< takes TCP frames longer than the MTU, and cuts them if it must; with `checksum` only
    bool large6 = false;

    friend bool operator==(SendOffloads, SendOffloads) = default;
};

/// What the receiver does to frames from a backend.
struct ReceiveOffloads {
    bool checksum = false; ///< takes frames with `needs_checksum`
    bool large4 = false;   ///< takes TCP frames that want segmentation; with `checksum` only
    bool large6 = false;

    friend bool operator==(ReceiveOffloads, ReceiveOffloads) = default;
};

/// No frame is longer: a TCP frame before segmentation, with a VLAN tag.
inline constexpr std::size_t largest_frame = 65535 + 18;

} // namespace devices::net
