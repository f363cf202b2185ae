/// Frames on their way from one process to another, through memory that both have mapped.
#pragma once

#include "devices/net/offload.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <sys/uio.h>

namespace devices::net {

/// How far each end has come, in bytes since the start, modulo 2^32. One end writes one number.
struct RingState {
    alignas(64) std::atomic<std::uint32_t> put{0};
    alignas(64) std::atomic<std::uint32_t> taken{0};
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free && sizeof(RingState) == 128);

/// In front of each frame. A frame begins at a multiple of this size, and goes on at the start of the ring.
struct RingRecord {
    std::uint32_t size = 0; ///< of the frame behind it, in bytes
    Offload offload{};
    std::uint16_t unused = 0;
};
static_assert(sizeof(RingRecord) == 16);

/// What a frame of so many bytes takes of a ring.
[[nodiscard]] constexpr std::size_t ring_charge(std::size_t size)
{
    return (sizeof(RingRecord) + size + sizeof(RingRecord) - 1) / sizeof(RingRecord) * sizeof(RingRecord);
}

/// The end that puts frames in. What the other one writes is believed only where it costs no more than that one's
/// frames. For one thread at a time.
class FrameWriter {
  public:
    /// The ring's size is a power of two, `ring_charge(largest_frame)` at least.
    FrameWriter(RingState& state, std::span<std::byte> ring) : state_{&state}, ring_{ring} {}

    /// False when there is no room; `size` is that of all pieces, `largest_frame` at most.
    [[nodiscard]] bool put(Offload const& offload, std::span<iovec const> pieces, std::size_t size);
    /// Bytes of frames that the other end does not see yet.
    [[nodiscard]] std::size_t unpublished() const { return put_ - published_; }
    /// Shows the other end all that was put. Whether it may have gone to sleep, and must be woken.
    [[nodiscard]] bool publish();

  private:
    void copy_in(std::uint32_t at, std::span<std::byte const> bytes);

    RingState* state_;
    std::span<std::byte> ring_;
    std::uint32_t put_ = 0;
    std::uint32_t published_ = 0;
};

/// The end that takes them out. Members throw std::runtime_error when the other end breaks the rules. For one thread.
class FrameReader {
  public:
    FrameReader(RingState& state, std::span<std::byte const> ring) : state_{&state}, ring_{ring} {}

    /// Sees the frames that are there now, and none that come later. Whether there are any.
    bool look();
    /// The next of these moves to the pieces, cut to their size; returns its length there, or 0 when none is left.
    [[nodiscard]] std::size_t read(Offload& offload, std::span<iovec const> into);
    /// Drops all that are left of these; how many.
    std::size_t skip_all();
    /// Gives the room back of those that were read. Whether there are others: when not, the other end wakes this one
    /// for the next.
    [[nodiscard]] bool release();

  private:
    /// The next one's record. False when there is none.
    [[nodiscard]] bool next(RingRecord& record) const;
    void copy_out(std::uint32_t at, std::span<std::byte> bytes) const;

    RingState* state_;
    std::span<std::byte const> ring_;
    std::uint32_t taken_ = 0;
    std::uint32_t seen_ = 0;
};

} // namespace devices::net
