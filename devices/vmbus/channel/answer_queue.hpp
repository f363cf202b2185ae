/// Short packets for the guest that wait for room in its ring.
#pragma once

#include "hv/vmbus/ring.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

namespace devices::vmbus {

/// Used under the lock of the ring that it fills. It has no bound of its own: whoever takes packets from a guest
/// takes none while answers wait.
class AnswerQueue {
  public:
    static constexpr std::size_t longest = 80; ///< bytes of payload

    /// Writes the packet to the ring, or keeps it when the ring is full or others wait already.
    void send(hv::vmbus::OutgoingRing& ring, hv::abi::PacketType type, std::uint64_t transaction,
              std::span<std::byte const> payload);
    /// Writes what waits. False when some still does: the guest signals when it has made room.
    [[nodiscard]] bool flush(hv::vmbus::OutgoingRing& ring);

    [[nodiscard]] bool empty() const { return waiting_.empty(); }
    [[nodiscard]] std::size_t size() const { return waiting_.size(); }
    void clear() { waiting_.clear(); }

  private:
    struct Answer {
        hv::abi::PacketType type;
        std::uint64_t transaction;
        std::array<std::byte, longest> payload;
        std::size_t size;
    };

    std::deque<Answer> waiting_;
};

} // namespace devices::vmbus
