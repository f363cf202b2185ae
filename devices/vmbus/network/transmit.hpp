/// Frames from the guest: RNDIS packet messages, one or several in a row, to a backend.
#pragma once

#include "devices/net/frame_backend.hpp"
#include "devices/vmbus/network/guest_pieces.hpp"
#include "devices/vmbus/network/nvsp.hpp"
#include "devices/vmbus/network/rndis.hpp"
#include "devices/vmbus/network/settings.hpp"

#include <array>
#include <cstddef>
#include <sys/uio.h>
#include <vector>

namespace devices::network {

/// One for each channel: what it needs to remember from frame to frame is room.
class Transmitter {
  public:
    Transmitter(net::FrameBackend& backend, std::size_t channel, Traffic& traffic)
        : backend_{backend}, channel_{channel}, traffic_{traffic}
    {}

    /// Sends what is in the message, unless the link is down. The status is the one for the guest.
    [[nodiscard]] nvsp::Status send(GuestPieces const& message, bool link_up);

  private:
    /// A packet message: where it starts, and what it says of itself.
    struct Message {
        std::size_t body; ///< where the rndis::Packet starts; its offsets count from there
        std::size_t body_size;
        rndis::Packet packet;
    };
    struct Infos {
        std::uint32_t checksum = 0; ///< as rndis::send_checksum
        std::uint32_t large_send = 0;
        std::uint32_t vlan = 0;
        bool tagged = false;
    };

    [[nodiscard]] bool send_packet(GuestPieces const& message, Message const& at, bool link_up);
    [[nodiscard]] bool read_infos(GuestPieces const& message, Message const& at, Infos& infos);
    [[nodiscard]] bool prepare(GuestPieces const& message, Message const& at, Infos const& infos,
                               net::Offload& offload);
    [[nodiscard]] bool prepare_large_send(Infos const& infos, std::size_t frame_size, net::Offload& offload);
    [[nodiscard]] bool prepare_checksum(Infos const& infos, std::size_t frame_size, net::Offload& offload) const;
    [[nodiscard]] bool fill_in_ip_checksum();
    void insert_tag(std::uint32_t vlan, net::Offload& offload);

    net::FrameBackend& backend_;
    std::size_t const channel_;
    Traffic& traffic_;
    std::vector<iovec> pieces_;      ///< of the frame
    std::vector<std::byte> headers_; ///< the frame's start, when something in it has to be changed
};

} // namespace devices::network
