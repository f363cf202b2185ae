/// The host's ends of a channel's two rings. One thread at a time uses a ring: the device's lock sees to that.
/// Nothing that a guest writes into a ring is read twice, and nothing that it can write takes a ring out of its
/// memory.
#pragma once

#include "hv/base/inspect.hpp"
#include "hv/base/state.hpp"
#include "hv/vmbus/gpadl.hpp"
#include "hv/vmbus/packet.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <tuple>
#include <vector>

namespace hv::vmbus {

/// The pages of one ring within the GPADL of both: one of control, the rest data.
class RingMemory {
  public:
    /// Pages [first, first + count) of `pages`, two at least.
    RingMemory(std::shared_ptr<Gpadl const> pages, std::size_t first, std::size_t count);

    [[nodiscard]] std::uint32_t size() const { return size_; } ///< of the data, bytes
    [[nodiscard]] std::atomic_ref<std::uint32_t> word(std::size_t offset) const;
    /// Copies, around the end of the ring where need be. offset < size(), length ≤ size(), both multiples of eight.
    void read(std::uint32_t offset, void* to, std::uint32_t length) const;
    void write(std::uint32_t offset, void const* from, std::uint32_t length) const;
    /// The words that both ends see, as they are now. Callable from any thread.
    void inspect(Inspector& inspector) const;

  private:
    std::shared_ptr<Gpadl const> pages_;
    std::size_t first_;
    std::uint32_t size_;
};

/// Guest to host.
class IncomingRing {
  public:
    explicit IncomingRing(RingMemory memory);

    enum class Next {
        Taken,  ///< `packet` is the next one
        Empty,  ///< nothing there, and the guest signals what it writes from now on, unless that is masked
        Broken, ///< the guest has written nonsense: nothing can be read any more until it opens the channel anew
    };
    [[nodiscard]] Next next(Packet& packet);

    /// Gives the guest back the room of what was taken; `next` does so too before it says Empty. True when the guest
    /// waits for that, or for what `next` has given back, and must be interrupted.
    [[nodiscard]] bool release();

    /// While masked the guest does not signal what it writes. After unmasking look once more for packets.
    void mask_signals(bool masked) const;

    /// Callable from any thread.
    void inspect(Inspector& inspector) const { memory_.inspect(inspector); }
    /// What the host has made of it; the rest is in the guest's memory, which goes elsewhere by itself.
    void visit(StateVisitor& visitor);

  private:
    struct State {
        std::uint32_t read = 0;      ///< where the next packet starts
        std::uint32_t released = 0;  ///< as the guest sees it
        std::uint32_t available = 0; ///< bytes known to be there, from `read` on
        bool room_wanted = false;
        bool broken = false;

        static constexpr auto fields()
        {
            return std::tuple{StateField{"read", &State::read}, StateField{"released", &State::released},
                              StateField{"available", &State::available},
                              StateField{"room_wanted", &State::room_wanted}, StateField{"broken", &State::broken}};
        }
    };

    [[nodiscard]] bool look();
    void give_back();

    RingMemory memory_;
    State state_;
    std::vector<std::byte> packet_;
};

/// Host to guest.
class OutgoingRing {
  public:
    explicit OutgoingRing(RingMemory memory);

    /// Writes a packet whose payload is these parts one after the other, with `header` between descriptor and
    /// payload. False when there is no room for it now: the guest will signal when there is. Nothing is seen by the
    /// guest before `publish`.
    [[nodiscard]] bool write(abi::PacketDescriptor descriptor, std::span<std::byte const> header,
                             std::initializer_list<std::span<std::byte const>> payload);
    [[nodiscard]] bool write(abi::PacketType type, std::uint16_t flags, std::uint64_t transaction,
                             std::span<std::byte const> payload)
    {
        return write({type, 0, 0, flags, transaction}, {}, {payload});
    }
    /// Answers a packet that wanted a completion.
    [[nodiscard]] bool complete(std::uint64_t transaction, std::span<std::byte const> payload)
    {
        return write(abi::PacketType::Completion, 0, transaction, payload);
    }

    /// Shows the guest what was written. True when the guest must be interrupted.
    [[nodiscard]] bool publish();

    /// Whether a packet with that much payload, header included, would fit now. Does not make the guest signal.
    [[nodiscard]] bool has_room(std::size_t payload_bytes) const;

    /// Callable from any thread.
    void inspect(Inspector& inspector) const { memory_.inspect(inspector); }
    void visit(StateVisitor& visitor);

  private:
    struct State {
        std::uint32_t write = 0;     ///< where the next packet starts
        std::uint32_t published = 0; ///< as the guest sees it
        bool waiting = false;        ///< pending_send_size is set

        static constexpr auto fields()
        {
            return std::tuple{StateField{"write", &State::write}, StateField{"published", &State::published},
                              StateField{"waiting", &State::waiting}};
        }
    };

    [[nodiscard]] bool make_room(std::size_t length);
    [[nodiscard]] std::uint32_t free_bytes() const;
    void put(std::span<std::byte const> bytes);

    RingMemory memory_;
    State state_;
};

} // namespace hv::vmbus
