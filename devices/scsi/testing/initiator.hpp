/// The initiator of a SCSI command in a test: its memory, and CDBs as the standards print them.
#pragma once

#include "devices/base/big_endian.hpp"
#include "devices/scsi/command.hpp"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace devices::scsi::testing {

using Cdb = std::array<std::uint8_t, max_cdb_size>;

inline Cdb cdb(std::initializer_list<int> bytes)
{
    Cdb out{};
    std::size_t at = 0;
    for (auto const byte : bytes)
        out.at(at++) = static_cast<std::uint8_t>(byte);
    return out;
}

/// READ, WRITE, VERIFY, WRITE SAME (16) and their like.
inline Cdb cdb16(OpCode code, std::uint64_t block, std::uint64_t count, std::uint8_t flags = 0)
{
    auto out = cdb({static_cast<std::uint8_t>(code), flags});
    put_big_endian(std::span{out}.subspan(2, 8), block);
    put_big_endian(std::span{out}.subspan(10, 4), count);
    return out;
}

/// The same with ten bytes.
inline Cdb cdb10(OpCode code, std::uint64_t block, std::uint64_t count, std::uint8_t flags = 0)
{
    auto out = cdb({static_cast<std::uint8_t>(code), flags});
    put_big_endian(std::span{out}.subspan(2, 4), block);
    put_big_endian(std::span{out}.subspan(7, 2), count);
    return out;
}

/// Memory in two pieces, so that whoever copies has to cross from one to the other.
class Memory {
  public:
    explicit Memory(Direction direction, std::size_t size) : direction_{direction}, bytes_(size, 0xEE)
    {
        auto const all = std::as_writable_bytes(std::span{bytes_});
        auto const first = size / 3;
        pieces_ = {all.first(first), all.subspan(first)};
    }
    Memory(Memory const&) = delete;
    Memory& operator=(Memory const&) = delete;

    [[nodiscard]] DataBuffer buffer() const { return {direction_, pieces_, bytes_.size()}; }
    [[nodiscard]] std::vector<std::uint8_t>& bytes() { return bytes_; }

  private:
    Direction direction_;
    std::vector<std::uint8_t> bytes_;
    std::vector<std::span<std::byte>> pieces_;
};

} // namespace devices::scsi::testing
