/// The messages of dynamic memory (Linux drivers/hv/hv_balloon.c). Its three versions have the same ones, but for
/// Info.
#pragma once

#include <cstddef>
#include <cstdint>

namespace devices::vmbus::dynamic_memory {

enum class MessageType : std::uint16_t {
    VersionRequest = 1, ///< guest to host; a response comes from the other end, here as below
    VersionResponse = 2,
    CapabilitiesReport = 3, ///< guest to host
    CapabilitiesResponse = 4,
    StatusReport = 5,   ///< guest to host, without a response
    BalloonRequest = 6, ///< host to guest: give pages away
    BalloonResponse = 7,
    UnballoonRequest = 8, ///< host to guest: these are the guest's again
    UnballoonResponse = 9,
    HotAddRequest = 10, ///< host to guest: here is memory that it did not have at its start
    HotAddResponse = 11,
    Info = 12, ///< host to guest, from version 1.0 on
};

/// The major number in the upper half.
namespace versions {
inline constexpr std::uint32_t version_0_3 = 3;
inline constexpr std::uint32_t version_1_0 = 1U << 16;
inline constexpr std::uint32_t version_2_0 = 2U << 16;
} // namespace versions

struct Header {
    MessageType type;
    std::uint16_t size; ///< of the message, bytes, this included
    std::uint32_t transaction;
};
static_assert(sizeof(Header) == 8);

struct VersionRequest {
    Header header;
    std::uint32_t version;
    std::uint32_t flags; ///< bit 0: the guest knows no other
};

/// To a version and to capabilities.
struct Acceptance {
    Header header;
    std::uint64_t accepted; ///< 1 or 0
};

struct CapabilitiesReport {
    Header header;
    std::uint64_t capabilities;
    std::uint64_t least_pages; ///< not used by any host
    std::uint64_t last_page;   ///< likewise
};
static_assert(sizeof(CapabilitiesReport) == 32);

namespace capability {
inline constexpr std::uint64_t balloon = 1;
inline constexpr std::uint64_t hot_add = 2;
/// Bits 2 to 5: hot-added memory begins at a multiple of 2^n MiB.
inline constexpr unsigned alignment_shift = 2;
inline constexpr std::uint64_t alignment_mask = 15;
} // namespace capability

/// Once a second, of Linux from 45 seconds after the driver's start on. In pages.
struct StatusReport {
    Header header;
    std::uint64_t available;
    std::uint64_t committed; ///< what its programs and it itself may want, with what it has given away
    std::uint64_t page_file_size;
    std::uint64_t zero_and_free;
    std::uint32_t page_file_writes;
    std::uint32_t io_difference;
};
static_assert(sizeof(StatusReport) == 48);

struct BalloonRequest {
    Header header;
    std::uint32_t pages; ///< a multiple of 512
    std::uint32_t reserved;
};

/// 64-bit words follow, one for each range: the number of its first page in the lower 40 bits, of pages in the rest.
struct BalloonResponse {
    Header header;
    std::uint32_t reserved;
    std::uint32_t more_and_ranges; ///< bit 0: another response follows; then the number of ranges
};
static_assert(sizeof(BalloonResponse) == 16);

struct UnballoonRequest {
    Header header;
    std::uint32_t more; ///< 1 when another request follows, before the response
    std::uint32_t ranges;
};

struct HotAddRequest {
    Header header;
    std::uint64_t range;
};

struct HotAddResponse {
    Header header;
    std::uint32_t pages;  ///< that the guest has taken; fewer than were offered: it takes none any more
    std::uint32_t result; ///< 0: none now, perhaps later; 1 with 0 pages: never
};
static_assert(sizeof(HotAddResponse) == 16);

/// Type 0: the pages that the guest may come to have.
struct Info {
    Header header;
    std::uint32_t reserved;
    std::uint32_t size; ///< of what follows
    std::uint32_t type;
    std::uint32_t value_size;
    std::uint64_t value;
};
static_assert(sizeof(Info) == 32 && offsetof(Info, value) == 24);

inline constexpr unsigned range_count_shift = 40; ///< in a range's word

} // namespace devices::vmbus::dynamic_memory
