/// Short packets for the guest that wait for room in its ring.
#pragma once

#include "hv/base/state.hpp"
#include "hv/vmbus/ring.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <tuple>

namespace devices::vmbus {

/// Used under the lock of the ring that it fills. It has no bound of its own: whoever takes packets from a guest
/// takes none while answers wait.
class AnswerQueue {
  public:
    static constexpr std::size_t longest = 80; ///< bytes of payload

    /// Writes the packet to the ring, or keeps it when the ring is full or others wait already.
    void send(hv::vmbus::OutgoingRing& ring, hv::abi::PacketType type, std::uint64_t transaction,
              std::span<std::byte const> payload);
    /// Keeps the packet for `flush`, behind those that wait.
    void keep(hv::abi::PacketType type, std::uint64_t transaction, std::span<std::byte const> payload);
    /// Writes what waits. False when some still does: the guest signals when it has made room.
    [[nodiscard]] bool flush(hv::vmbus::OutgoingRing& ring);

    [[nodiscard]] bool empty() const { return state_.waiting.empty(); }
    [[nodiscard]] std::size_t size() const { return state_.waiting.size(); }
    void clear() { state_.waiting.clear(); }

    /// What waits is the state.
    void visit(hv::StateVisitor& visitor);

  private:
    static constexpr std::size_t most_restored = 1024; ///< beyond what any device lets wait

    struct Answer {
        hv::abi::PacketType type{};
        std::uint64_t transaction = 0;
        std::array<std::byte, longest> payload{};
        std::size_t size = 0;

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"type", &Answer::type},
                              hv::StateField{"transaction", &Answer::transaction},
                              hv::StateField{"payload", &Answer::payload}, hv::StateField{"size", &Answer::size}};
        }
    };
    struct State {
        std::deque<Answer> waiting{};

        static constexpr auto fields()
        {
            return std::tuple{hv::StateField{"waiting", &State::waiting, hv::Shown::No, most_restored}};
        }
    };

    State state_;
};

} // namespace devices::vmbus
