/// The messages by which a guest and its host set up VMBus channels. No public specification has them; numbers and
/// layouts are those that shipped guests use (Linux include/linux/hyperv.h, vmbus_channel_…).
#pragma once

#include "hv/abi/guid.hpp"
#include "hv/abi/message.hpp"
#include "hv/abi/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace hv::abi {

inline constexpr MessageType vmbus_message{1}; ///< the SynIC message type of them all
inline constexpr Sint vmbus_sint{2};
inline constexpr std::array vmbus_connections{ConnectionId{1}, ConnectionId{4}}; ///< for the guest's messages

enum class VmbusVersion : std::uint32_t {
    Win8 = 0x0002'0004,
    Win8_1 = 0x0003'0000,
    Win10 = 0x0004'0000,
    Win10Rs3 = 0x0004'0001,
    V5_0 = 0x0005'0000,
    V5_1 = 0x0005'0001,
    V5_2 = 0x0005'0002,
    V5_3 = 0x0005'0003,
};

enum class ChannelMessageType : std::uint32_t {
    OfferChannel = 1,
    RescindChannelOffer = 2,
    RequestOffers = 3,
    AllOffersDelivered = 4,
    OpenChannel = 5,
    OpenChannelResult = 6,
    CloseChannel = 7,
    GpadlHeader = 8,
    GpadlBody = 9,
    GpadlCreated = 10,
    GpadlTeardown = 11,
    GpadlTorndown = 12,
    RelIdReleased = 13,
    InitiateContact = 14,
    VersionResponse = 15,
    Unload = 16,
    UnloadResponse = 17,
    TlConnectRequest = 21,
    ModifyChannel = 22,
    TlConnectResult = 23,
    ModifyChannelResponse = 24,
};

struct ChannelMessageHeader {
    ChannelMessageType type;
    std::uint32_t padding;
};

#pragma pack(push, 1)

struct OfferChannel {
    ChannelMessageHeader header;
    vmbus::Guid interface;
    vmbus::Guid instance;
    std::uint64_t reserved0;
    std::uint64_t reserved1;
    std::uint16_t flags;
    std::uint16_t mmio_megabytes;
    std::array<std::byte, 120> user_defined;
    std::uint16_t sub_channel;
    std::uint16_t reserved2;
    std::uint32_t channel;
    std::uint8_t monitor_id;
    std::uint8_t monitor_allocated;    ///< bit 0
    std::uint16_t dedicated_interrupt; ///< bit 0: the guest need not set a bit in the interrupt page
    std::uint32_t connection;          ///< for HvSignalEvent
};
static_assert(sizeof(OfferChannel) == 196);

struct OpenChannel {
    ChannelMessageHeader header;
    std::uint32_t channel;
    std::uint32_t open_id;
    std::uint32_t ring_gpadl;
    std::uint32_t target_vp;
    std::uint32_t downstream_page; ///< where in the GPADL the ring to the guest begins
    std::array<std::byte, 120> user_data;
};
static_assert(sizeof(OpenChannel) == 148);

struct OpenChannelResult {
    ChannelMessageHeader header;
    std::uint32_t channel;
    std::uint32_t open_id;
    std::uint32_t status; ///< an NTSTATUS
};

/// RescindChannelOffer, CloseChannel, RelIdReleased.
struct ChannelMessage {
    ChannelMessageHeader header;
    std::uint32_t channel;
};

struct GpadlHeader {
    ChannelMessageHeader header;
    std::uint32_t channel;
    std::uint32_t gpadl;
    std::uint16_t range_bytes; ///< of all ranges with their page numbers
    std::uint16_t range_count;
    std::uint32_t byte_count; ///< of the first range; then its page numbers
    std::uint32_t byte_offset;
};
static_assert(sizeof(GpadlHeader) == 28);

struct GpadlBody {
    ChannelMessageHeader header;
    std::uint32_t number;
    std::uint32_t gpadl; ///< then page numbers
};
static_assert(sizeof(GpadlBody) == 16);

struct GpadlCreated {
    ChannelMessageHeader header;
    std::uint32_t channel;
    std::uint32_t gpadl;
    std::uint32_t status; ///< an NTSTATUS
};

struct GpadlTeardown {
    ChannelMessageHeader header;
    std::uint32_t channel;
    std::uint32_t gpadl;
};

struct GpadlTorndown {
    ChannelMessageHeader header;
    std::uint32_t gpadl;
};

struct InitiateContact {
    ChannelMessageHeader header;
    VmbusVersion version;
    std::uint32_t target_vp;
    std::uint8_t sint; ///< from 5.0 on; before, and unused here, the GPA of the interrupt page begins at this byte
    std::array<std::byte, 7> reserved;
    std::uint64_t monitor_page1;
    std::uint64_t monitor_page2;
};
static_assert(sizeof(InitiateContact) == 40);

struct VersionResponse {
    ChannelMessageHeader header;
    std::uint8_t supported;
    std::uint8_t connection_state; ///< 0: connected
    std::uint16_t reserved;
    std::uint32_t connection; ///< for the guest's further messages, from 5.0 on
};
static_assert(sizeof(VersionResponse) == 16);

struct TlConnectRequest {
    ChannelMessageHeader header;
    vmbus::Guid endpoint;
    vmbus::Guid service;
};

struct TlConnectResult {
    ChannelMessageHeader header;
    vmbus::Guid endpoint;
    vmbus::Guid service;
    std::uint32_t status; ///< an NTSTATUS
};

struct ModifyChannel {
    ChannelMessageHeader header;
    std::uint32_t channel;
    std::uint32_t target_vp;
};

struct ModifyChannelResponse {
    ChannelMessageHeader header;
    std::uint32_t channel;
    std::uint32_t status; ///< an NTSTATUS
};

#pragma pack(pop)

} // namespace hv::abi
