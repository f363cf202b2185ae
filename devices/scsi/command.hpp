/// A SCSI command as it comes from an initiator, and what a logical unit makes of it.
#pragma once

#include "devices/block/backend.hpp"
#include "devices/scsi/numbers.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace devices::scsi {

inline constexpr std::size_t max_cdb_size = 16;

enum class Direction : std::uint8_t { None, FromDevice, ToDevice };

/// The initiator's memory for a command's data. It may change at any time, so each byte is copied once.
class DataBuffer {
  public:
    DataBuffer() = default;
    DataBuffer(Direction direction, std::span<std::span<std::byte> const> pieces, std::uint64_t size)
        : direction_{direction}, pieces_{pieces}, size_{size}
    {}

    [[nodiscard]] Direction direction() const { return direction_; }
    [[nodiscard]] std::span<std::span<std::byte> const> pieces() const { return pieces_; }
    /// Bytes that the initiator is ready to take or to give, for this direction.
    [[nodiscard]] std::uint64_t room() const { return direction_ == Direction::FromDevice ? size_ : 0; }
    [[nodiscard]] std::uint64_t given() const { return direction_ == Direction::ToDevice ? size_ : 0; }

    /// Copies as much as there is room for; returns how much that was.
    std::size_t write(std::span<std::uint8_t const> from) const
    {
        auto const size = static_cast<std::size_t>(std::min<std::uint64_t>(room(), from.size()));
        copy(size, [&](std::byte* memory, std::size_t at, std::size_t n) { std::memcpy(memory, &from[at], n); });
        return size;
    }
    /// Copies from the start; returns how much that was.
    [[nodiscard]] std::size_t read(std::span<std::uint8_t> to) const
    {
        auto const size = static_cast<std::size_t>(std::min<std::uint64_t>(given(), to.size()));
        copy(size, [&](std::byte const* memory, std::size_t at, std::size_t n) { std::memcpy(&to[at], memory, n); });
        return size;
    }

  private:
    template <typename Step>
    void copy(std::size_t size, Step const& step) const
    {
        std::size_t at = 0;
        for (auto const& piece : pieces_) {
            if (at == size) return;
            auto const n = std::min(piece.size(), size - at);
            step(piece.data(), at, n);
            at += n;
        }
    }

    Direction direction_ = Direction::None;
    std::span<std::span<std::byte> const> pieces_{};
    std::uint64_t size_ = 0; ///< at most that of the pieces
};

struct Sense {
    SenseKey key = SenseKey::NoSense;
    Additional additional = Additional::None;

    friend bool operator==(Sense const&, Sense const&) = default;
};

/// Sense data in fixed format, for the current command (SPC-4 4.5.3).
inline constexpr std::size_t fixed_sense_size = 18;
[[nodiscard]] std::array<std::uint8_t, fixed_sense_size> fixed_sense(Sense sense);

/// A command that is done.
struct Answer {
    Status status = Status::Good;
    Sense sense{};                 ///< with CheckCondition
    std::uint64_t transferred = 0; ///< bytes of data

    [[nodiscard]] static Answer good(std::uint64_t transferred = 0) { return {Status::Good, {}, transferred}; }
    [[nodiscard]] static Answer failed(SenseKey key, Additional additional)
    {
        return {Status::CheckCondition, {key, additional}, 0};
    }
    [[nodiscard]] static Answer illegal(Additional additional)
    {
        return failed(SenseKey::IllegalRequest, additional);
    }
};

struct Extent {
    std::uint64_t offset; ///< bytes
    std::uint64_t length;
};

/// What a command asks of the backend, one operation for each extent, in order.
struct Work {
    block::Operation operation = block::Operation::Read;
    Extent first{};
    std::vector<Extent> others{}; ///< for UNMAP
    bool then_flush = false;      ///< FUA: the answer waits for the medium
};

} // namespace devices::scsi
