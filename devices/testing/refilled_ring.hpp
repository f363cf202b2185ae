/// A guest with a VP that does nothing but refill a ring: whatever the host takes, there is more.
#pragma once

#include "hv/testing/vmbus_guest.hpp"

#include <atomic>
#include <cstring>
#include <stdexcept>
#include <thread>
#include <vector>

namespace devices::testing {

/// Fills all of the ring's data with copies of one packet, the first where the host reads next, and returns how long
/// each is, with its trailer; that divides every ring. Throws std::length_error when the packet is too long.
inline std::uint32_t fill_with_copies(hv::testing::GuestRing const& ring, hv::abi::PacketDescriptor descriptor,
                                      std::span<std::byte const> header, std::span<std::byte const> payload)
{
    constexpr std::uint32_t packet_bytes = 256;
    if (sizeof descriptor + header.size() + payload.size() + 8 > packet_bytes)
        throw std::length_error{"the packet is too long for the test"};
    descriptor.offset8 = static_cast<std::uint16_t>((sizeof descriptor + header.size()) / 8);
    descriptor.length8 = static_cast<std::uint16_t>((packet_bytes - 8) / 8);
    std::vector<std::byte> packet(packet_bytes);
    std::memcpy(packet.data(), &descriptor, sizeof descriptor);
    std::ranges::copy(header, packet.data() + sizeof descriptor);
    std::ranges::copy(payload, packet.data() + sizeof descriptor + header.size());
    auto const first = ring.read_index().load() % ring.size();
    for (std::size_t i = 0; i < ring.size(); ++i)
        ring.data()[(first + i) % ring.size()] = packet[i % packet_bytes];
    return packet_bytes;
}

/// While it lives, `ring` is full of one packet, again and again; signals come from elsewhere.
class RefilledRing {
  public:
    RefilledRing(hv::testing::GuestRing ring, hv::abi::PacketDescriptor descriptor, std::span<std::byte const> header,
                 std::span<std::byte const> payload)
        : ring_{ring}, packet_bytes_{fill_with_copies(ring, descriptor, header, payload)}
    {
        refill();
        refiller_ = std::jthread{[this](std::stop_token const& stop) {
            while (!stop.stop_requested())
                refill();
        }};
    }

  private:
    void refill() const { ring_.write_index() = (ring_.read_index() + ring_.size() - packet_bytes_) % ring_.size(); }

    hv::testing::GuestRing const ring_;
    std::uint32_t const packet_bytes_;
    std::jthread refiller_;
};

} // namespace devices::testing
