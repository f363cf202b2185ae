/// The rings of a VMBus channel and the packets in them. No public specification has them; the layouts are those that
/// shipped guests use (Linux include/linux/hyperv.h: hv_ring_buffer, vmpacket_descriptor, vmdata_gpa_direct,
/// vmtransfer_page_packet_header).
#pragma once

#include <cstddef>
#include <cstdint>

namespace hv::abi {

/// The first page of a ring; its data fills the pages behind it. Indices are offsets into the data, bytes.
struct RingControl {
    std::uint32_t write_index;       ///< the writer's
    std::uint32_t read_index;        ///< the reader's
    std::uint32_t interrupt_mask;    ///< the reader's: not zero, and it wants no interrupt for what is written
    std::uint32_t pending_send_size; ///< the writer's: it waits for this much room; 0 when it does not
    std::uint32_t reserved[12];
    std::uint32_t feature_bits; ///< the writer's
};
static_assert(offsetof(RingControl, feature_bits) == 64);

inline constexpr std::uint32_t ring_feature_pending_send_size = 1;

enum class PacketType : std::uint16_t {
    DataInband = 6,
    DataUsingTransferPages = 7,
    DataUsingGpaDirect = 9,
    CancelRequest = 10,
    Completion = 11,
};

inline constexpr std::uint16_t packet_flag_completion_requested = 1;

/// At the start of each packet. Behind the packet, and not counted in its length, are eight bytes of trailer.
struct PacketDescriptor {
    PacketType type;
    std::uint16_t offset8; ///< of the payload, in units of eight bytes
    std::uint16_t length8; ///< of the packet, likewise
    std::uint16_t flags;
    std::uint64_t transaction;
};
static_assert(sizeof(PacketDescriptor) == 16);

inline constexpr std::size_t packet_trailer_size = 8;

/// Follows the descriptor of a GPA-direct packet; then the ranges, each with its page numbers behind it.
struct GpaDirectHeader {
    std::uint32_t reserved;
    std::uint32_t range_count;
};

struct GpaRange {
    std::uint32_t byte_count;
    std::uint32_t byte_offset; ///< into the first page
};

/// Follows the descriptor of a transfer-page packet; then the ranges.
struct TransferPagesHeader {
    std::uint16_t page_set;
    std::uint8_t sender_owns_set;
    std::uint8_t reserved;
    std::uint32_t range_count;
};

struct TransferPageRange {
    std::uint32_t byte_count;
    std::uint32_t byte_offset; ///< into the page set
};

} // namespace hv::abi
