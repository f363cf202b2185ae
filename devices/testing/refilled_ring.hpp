/// A guest with a VP that does nothing but refill a ring: whatever the host takes, there is more.
#pragma once

#include "hv/testing/vmbus_guest.hpp"

#include <atomic>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

namespace devices::testing {

/// While it lives, `ring` is full of one packet, again and again; signals come from elsewhere.
class RefilledRing {
  public:
    static constexpr std::size_t packet_bytes = 256; ///< with descriptor and trailer; divides every ring

    RefilledRing(hv::testing::GuestRing ring, hv::abi::PacketDescriptor descriptor, std::span<std::byte const> header,
                 std::span<std::byte const> payload)
        : ring_{ring}
    {
        if (sizeof descriptor + header.size() + payload.size() + 8 > packet_bytes)
            throw std::length_error{"the packet is too long for the test"};
        descriptor.offset8 = static_cast<std::uint16_t>((sizeof descriptor + header.size()) / 8);
        descriptor.length8 = static_cast<std::uint16_t>((packet_bytes - 8) / 8);
        std::vector<std::byte> packet(packet_bytes);
        std::memcpy(packet.data(), &descriptor, sizeof descriptor);
        std::ranges::copy(header, packet.data() + sizeof descriptor);
        std::ranges::copy(payload, packet.data() + sizeof descriptor + header.size());
        for (std::size_t at = 0; at < ring_.size(); at += packet_bytes)
            std::ranges::copy(packet, ring_.data() + at);
        ring_.write_index() = 0;
        ring_.read_index() = 0;
        refill();
        refiller_ = std::jthread{[this](std::stop_token const& stop) {
            while (!stop.stop_requested())
                refill();
        }};
    }

  private:
    void refill() const
    {
        ring_.write_index() = (ring_.read_index() + ring_.size() - static_cast<std::uint32_t>(packet_bytes)) %
                              ring_.size() / packet_bytes * packet_bytes;
    }

    hv::testing::GuestRing const ring_;
    std::jthread refiller_;
};

} // namespace devices::testing
