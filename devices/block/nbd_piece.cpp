#include "devices/block/nbd_piece.hpp"

#include <algorithm>
#include <bit>

namespace devices::block {

namespace {

constexpr std::uint64_t largest_minimum = 64 << 10; // of the protocol

std::uint64_t said(std::int64_t value)
{
    return value > 0 ? static_cast<std::uint64_t>(value) : 0;
}

std::uint64_t round_down(std::uint64_t value, std::uint64_t to)
{
    return value - value % to;
}

NbdPiece read_piece(Request const& request, std::uint64_t at, NbdBlockSizes const& sizes, std::uint64_t most)
{
    auto const from = request.offset + at;
    auto const start = round_down(from, sizes.minimum);
    auto const end = round_down(request.offset + request.length + sizes.minimum - 1, sizes.minimum);
    auto const length = std::min(end - start, most);
    return {NbdPiece::Kind::Read, at, std::min(request.length - at, start + length - from), start, length};
}

/// Whole blocks by `kind`, and what is less than a block by `part`.
NbdPiece aligned_piece(Request const& request, std::uint64_t at, NbdBlockSizes const& sizes, NbdPiece::Kind kind,
                       NbdPiece::Kind part, std::uint64_t most)
{
    auto const from = request.offset + at;
    auto const left = request.length - at;
    auto const into = from % sizes.minimum;
    if (into != 0 || left < sizes.minimum)
        return {part, at, std::min(left, sizes.minimum - into), from - into, sizes.minimum};
    auto const length = std::min(round_down(left, sizes.minimum), most);
    return {kind, at, length, from, length};
}

} // namespace

NbdBlockSizes NbdBlockSizes::from(std::int64_t minimum, std::int64_t preferred, std::int64_t maximum)
{
    NbdBlockSizes sizes;
    auto const power = [](std::uint64_t value) { return std::bit_floor(std::max<std::uint64_t>(value, 1)); };
    sizes.minimum = std::clamp<std::uint64_t>(power(said(minimum)), 512, largest_minimum);
    if (said(preferred) != 0) sizes.preferred = power(said(preferred));
    sizes.preferred = std::max(sizes.preferred, sizes.minimum);
    if (said(maximum) != 0) sizes.maximum = std::min(sizes.maximum, said(maximum));
    sizes.maximum = std::max(round_down(sizes.maximum, sizes.minimum), sizes.minimum);
    return sizes;
}

NbdPiece nbd_piece(Request const& request, std::uint64_t at, NbdBlockSizes const& sizes, std::uint64_t most)
{
    using enum NbdPiece::Kind;
    switch (request.operation) {
    case Operation::Read: return read_piece(request, at, sizes, most);
    case Operation::Write: return aligned_piece(request, at, sizes, Write, WriteBlock, most);
    case Operation::Discard: return aligned_piece(request, at, sizes, Trim, Nothing, sizes.clear_maximum);
    case Operation::WriteZeroes:
        return sizes.writes_zeroes ? aligned_piece(request, at, sizes, Zero, WriteBlock, sizes.clear_maximum)
                                   : aligned_piece(request, at, sizes, WriteZeros, WriteBlock, most);
    case Operation::Flush: break;
    }
    return {};
}

} // namespace devices::block
