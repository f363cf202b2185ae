/// What the fuzzing engine gives, read from the front. Numbers are little-endian. Behind the end everything is zero,
/// so that any bytes are an input, and a shorter one means much the same.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <span>

namespace hv::fuzz {

/// Ends the process with a line that says which promise was broken: the engine then keeps the input.
inline void require(bool holds, char const* promise)
{
    if (holds) return;
    std::fprintf(stderr, "broken: %s\n", promise);
    std::abort();
}

class Input {
  public:
    explicit Input(std::span<std::uint8_t const> bytes) : left_{bytes} {}

    [[nodiscard]] bool empty() const { return left_.empty(); }

    template <typename Word>
    [[nodiscard]] Word take()
    {
        Word word{};
        auto const size = std::min(sizeof word, left_.size());
        if (size != 0) std::memcpy(&word, left_.data(), size);
        left_ = left_.subspan(size);
        return word;
    }
    [[nodiscard]] std::uint8_t byte() { return take<std::uint8_t>(); }

    /// One byte, modulo `bound`, which is at most 256.
    [[nodiscard]] std::uint32_t below(std::uint32_t bound) { return byte() % bound; }

    /// At most `size` of the bytes that are left.
    [[nodiscard]] std::span<std::uint8_t const> bytes(std::size_t size)
    {
        auto const out = left_.first(std::min(size, left_.size()));
        left_ = left_.subspan(out.size());
        return out;
    }

    /// Bytes whose number, a value, stands before them: at most as many as are left.
    [[nodiscard]] std::span<std::uint8_t const> counted_bytes() { return bytes(value()); }

    /// A 64-bit number in few bytes. The first says how: below 0xC0 it is that number; below 0xE0 an edge of what the
    /// interface checks; else 1, 2, 4 or 8 bytes follow (low two bits), shifted left by the next byte when bit 2 is
    /// set, and complemented when bit 3 is.
    [[nodiscard]] std::uint64_t value()
    {
        constexpr std::uint64_t edges[]{~std::uint64_t{0},
                                        ~std::uint64_t{1},
                                        0xFFFF'FFFF,
                                        0xFFFF'FFFE,
                                        0x8000'0000,
                                        1ULL << 63,
                                        1ULL << 32,
                                        240,
                                        241,
                                        255,
                                        256,
                                        2047,
                                        2048,
                                        2049,
                                        0xFF'FFFF,
                                        0x100'0000,
                                        0xFFFF,
                                        0x1'0000,
                                        0x6001,
                                        0x7001,
                                        0xA001,
                                        0xB001,
                                        0x4000,
                                        0x4FF8,
                                        0x3'F001,
                                        0x4'0000,
                                        0x4'0001,
                                        0x3'FFF8,
                                        0x2'0000,
                                        0x2'5000,
                                        0xFEE0'0001,
                                        0x1'0040};
        auto const how = byte();
        if (how < 0xC0) return how;
        if (how < 0xE0) return edges[how % std::size(edges)];
        std::uint64_t word = 0;
        switch (how & 3) {
        case 0: word = take<std::uint8_t>(); break;
        case 1: word = take<std::uint16_t>(); break;
        case 2: word = take<std::uint32_t>(); break;
        default: word = take<std::uint64_t>(); break;
        }
        if ((how & 4) != 0) word <<= byte() & 63;
        return (how & 8) != 0 ? ~word : word;
    }

  private:
    std::span<std::uint8_t const> left_;
};

} // namespace hv::fuzz
