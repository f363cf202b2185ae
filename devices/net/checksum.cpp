#include "devices/net/checksum.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace devices::net {

namespace {

std::uint64_t sum_of(std::byte const* p, std::size_t size)
{
    std::uint64_t sum = 0;
    for (; size >= 32; p += 32, size -= 32) { // 32-bit words in 64-bit sums: no carry to look after
        std::array<std::uint32_t, 8> words;
        std::memcpy(words.data(), p, 32);
        for (auto const word : words)
            sum += word;
    }
    for (; size >= 4; p += 4, size -= 4) {
        std::uint32_t word = 0;
        std::memcpy(&word, p, 4);
        sum += word;
    }
    std::uint32_t rest = 0;
    if (size != 0) std::memcpy(&rest, p, size);
    return sum + rest;
}

std::uint16_t fold(std::uint64_t sum)
{
    sum = (sum & 0xFFFF'FFFF) + (sum >> 32);
    sum = (sum & 0xFFFF) + ((sum >> 16) & 0xFFFF) + (sum >> 32);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return static_cast<std::uint16_t>((sum & 0xFFFF) + (sum >> 16));
}

/// Calls `use` for what lies in the pieces from byte `from` on, `length` bytes, piece by piece.
template <typename Use>
void for_pieces(std::span<iovec const> pieces, std::size_t from, std::size_t length, Use use)
{
    for (auto const& piece : pieces) {
        if (length == 0) return;
        if (from >= piece.iov_len) {
            from -= piece.iov_len;
            continue;
        }
        auto const size = std::min(piece.iov_len - from, length);
        use(std::span{static_cast<std::byte*>(piece.iov_base) + from, size});
        from = 0;
        length -= size;
    }
}

} // namespace

void ChecksumSum::add(std::span<std::byte const> bytes)
{
    auto const sum = fold(sum_of(bytes.data(), bytes.size()));
    sum_ += odd_ ? static_cast<std::uint16_t>(sum << 8 | sum >> 8) : sum; // starts in the middle of a word
    odd_ ^= (bytes.size() & 1) != 0;
}

std::uint16_t ChecksumSum::folded() const
{
    return fold(sum_);
}

std::uint16_t ipv4_header_checksum(std::span<std::byte const> header)
{
    constexpr std::size_t field = 10;
    ChecksumSum sum;
    sum.add(header.first(field));
    sum.add(header.subspan(field + 2));
    return static_cast<std::uint16_t>(~sum.folded());
}

void fill_in_checksum(Offload& offload, std::span<iovec const> frame, std::size_t length)
{
    offload.flags &= static_cast<std::uint8_t>(~Offload::needs_checksum);
    std::size_t const start = offload.checksum_start;
    std::size_t const field = start + offload.checksum_offset;
    if (field + 2 > length) return;

    ChecksumSum sum;
    for_pieces(frame, start, length - start, [&](auto bytes) { sum.add(bytes); });
    auto value = static_cast<std::uint16_t>(~sum.folded());
    constexpr std::uint16_t udp_field = 6;
    if (value == 0 && offload.checksum_offset == udp_field) value = 0xFFFF; // UDP has 0 for "none" (RFC 768)

    auto from = std::bit_cast<std::array<std::byte, 2>>(value);
    std::size_t done = 0;
    for_pieces(frame, field, 2, [&](auto bytes) {
        std::memcpy(bytes.data(), from.data() + done, bytes.size());
        done += bytes.size();
    });
}

} // namespace devices::net
