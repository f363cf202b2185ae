/// The frames of a network while the guest's firmware uses it: before the guest's own driver, on VMBus, does.
#pragma once

#include "devices/base/guarded.hpp"
#include "devices/net/frame_backend.hpp"
#include "devices/net/mac_address.hpp"
#include "hv/base/inspect.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace devices::net {

/// Callable from any thread; waits for nothing. Firmware asks when it likes, so that frames wait here, but not many.
class FirmwarePort {
  public:
    static constexpr std::size_t longest_frame = 1518; ///< bytes, with a VLAN tag
    static constexpr std::size_t shortest_frame = 14;  ///< an Ethernet header
    static constexpr std::size_t most_waiting = 64;    ///< frames; others are lost

    /// Which frames are wanted. None: nobody listens.
    struct Filter {
        bool unicast = false; ///< to the card's own address
        bool multicast = false;
        bool broadcast = false;
        bool all = false;

        friend bool operator==(Filter, Filter) = default;
        [[nodiscard]] bool any() const { return *this != Filter{}; }
    };

    FirmwarePort(MacAddress const& mac, std::shared_ptr<FrameBackend> backend);

    /// What waits is lost when nobody listens any more. Does nothing once the network was taken.
    void listen(Filter filter);
    [[nodiscard]] Filter filter() const { return state_.lock()->filter; }

    /// One of `shortest_frame` to `longest_frame` bytes, complete. False when it is dropped.
    bool send(std::span<std::byte const> frame);
    [[nodiscard]] std::size_t waiting() const { return state_.lock()->count; }
    /// Moves the next frame to `into`, which has room for the longest, and returns its size; 0 when there is none.
    [[nodiscard]] std::size_t take(std::span<std::byte> into);
    void forget_waiting() { state_.lock()->count = 0; }

    /// The card's other driver has it from now on.
    void taken();
    [[nodiscard]] bool is_taken() const { return state_.lock()->backend == nullptr; }
    /// Of the backend: takes all that there are. False, with none or some of them taken, when they are for the card's
    /// other driver.
    [[nodiscard]] bool deliver(FrameSource& source);

    void inspect(hv::Inspector& inspector) const;

  private:
    /// One byte more than a frame has: a longer one is seen as such.
    struct Slot {
        std::size_t size = 0;
        std::array<std::byte, longest_frame + 1> bytes;
    };
    struct State {
        std::shared_ptr<FrameBackend> backend; ///< nullptr: it was taken
        Filter filter{};
        std::vector<Slot> slots{}; ///< a ring, and one to read into; there while somebody listens
        std::size_t first = 0;
        std::size_t count = 0;
        std::uint64_t sent = 0;
        std::uint64_t received = 0;
        std::uint64_t dropped = 0; ///< for want of room
    };
    enum class Next { Frame, None, Taken };

    [[nodiscard]] Next read_next(FrameSource& source);
    [[nodiscard]] bool wants(Filter filter, Slot const& slot) const;

    MacAddress const mac_;
    Guarded<State, LockRank::FirmwareNet> state_;
};

} // namespace devices::net
