/// How a request becomes commands that an NBD server takes: it may want whole blocks, and not too many of them
/// (NBD protocol, "Block size constraints").
#pragma once

#include "devices/block/backend.hpp"

#include <cstdint>

namespace devices::block {

/// What a server asks for, in bytes.
struct NbdBlockSizes {
    std::uint64_t minimum = 512;         ///< a power of two, 512 to 64 KiB
    std::uint64_t preferred = 4096;      ///< a power of two, not below the minimum
    std::uint64_t maximum = 32ULL << 20; ///< of data in one command: a multiple of the minimum
    /// What a command without data may be about: servers may take more than `maximum` there.
    std::uint64_t clear_maximum = 1ULL << 30;
    bool writes_zeroes = true; ///< it has a command for that

    /// From what libnbd says, which is 0, or negative, for what the server does not say.
    [[nodiscard]] static NbdBlockSizes from(std::int64_t minimum, std::int64_t preferred, std::int64_t maximum);
};

/// A command, or two where a block has to be read before it is written.
struct NbdPiece {
    enum class Kind : std::uint8_t {
        Read,
        Write,
        WriteBlock, ///< a part of one block: it is read, changed and written
        WriteZeros, ///< as data
        Zero,
        Trim,
        Nothing, ///< bytes that a Discard leaves as they are
    };

    Kind kind = Kind::Nothing;
    std::uint64_t at = 0;     ///< bytes from the start of the request
    std::uint64_t wanted = 0; ///< bytes of the request
    std::uint64_t offset = 0; ///< of the command: bytes from the start of the disk
    std::uint64_t length = 0; ///< of the command: at least what is wanted

    /// Where the wanted bytes begin in the command's.
    [[nodiscard]] std::uint64_t skip(Request const& request) const { return request.offset + at - offset; }
};

/// The piece of a request, not a Flush, that begins `at` bytes into it. `most`: bytes of data, a multiple of the
/// minimum.
[[nodiscard]] NbdPiece nbd_piece(Request const& request, std::uint64_t at, NbdBlockSizes const& sizes,
                                 std::uint64_t most);

} // namespace devices::block
