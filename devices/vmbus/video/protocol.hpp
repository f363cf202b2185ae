/// The messages of the synthetic video device. No public specification has them; the layouts are those of Linux
/// drivers/gpu/drm/hyperv and of OpenVMM vm/devices/uidevices/src/video.
#pragma once

#include <cstddef>
#include <cstdint>

namespace devices::vmbus::video {

enum class MessageType : std::uint32_t {
    VersionRequest = 1,
    VersionResponse = 2,
    VramLocation = 3,
    VramLocationAck = 4,
    SituationUpdate = 5,
    SituationUpdateAck = 6,
    PointerPosition = 7,
    PointerShape = 8,
    FeatureChange = 9,
    Dirt = 10,
    BiosInfoRequest = 11,
    BiosInfoResponse = 12,
    ResolutionRequest = 13,
    ResolutionResponse = 14,
    CapabilityRequest = 15,
    CapabilityResponse = 16,
};

/// Behind the header of the pipe.
struct Header {
    MessageType type;
    std::uint32_t size; ///< with this header
};
static_assert(sizeof(Header) == 8);

/// The lower half is the major number.
struct Version {
    std::uint16_t major;
    std::uint16_t minor;

    static constexpr std::uint16_t known_major = 3;
    static constexpr std::uint16_t newest_minor =
        5; ///< 3.0 Windows 7, 3.2 Windows 8, 3.3 8.1, 3.4 and 3.5 Windows 10
};

struct VersionRequest {
    Version version;
};

struct [[gnu::packed]] VersionResponse {
    Version version;
    std::uint8_t accepted; ///< 0, or `accepted_version`
    std::uint8_t outputs;
};
static_assert(sizeof(VersionResponse) == 6);

inline constexpr std::uint8_t accepted_version = 2;

struct [[gnu::packed]] VramLocation {
    std::uint64_t context;
    std::uint8_t has_address;
    std::uint64_t address; ///< guest-physical
};
static_assert(sizeof(VramLocation) == 17);

/// Answers VramLocation and SituationUpdate.
struct Acknowledgement {
    std::uint64_t context;
};

struct [[gnu::packed]] Situation {
    std::uint64_t context;
    std::uint8_t outputs;
    std::uint8_t active; ///< of the first output, like the rest
    std::uint32_t offset;
    std::uint8_t depth;
    std::uint32_t width;
    std::uint32_t height;
    std::uint32_t pitch;
};
static_assert(sizeof(Situation) == 27 && offsetof(Situation, depth) == 14);

struct [[gnu::packed]] PointerPosition {
    std::uint8_t visible;
    std::uint8_t output;
    std::int32_t x;
    std::int32_t y;
};
static_assert(sizeof(PointerPosition) == 10);

/// The pixels follow, in parts if need be. In colour each has four bytes, opacity the last; in monochrome there is a
/// mask of what stays, then one of what is inverted, rows of whole bytes.
struct [[gnu::packed]] PointerShape {
    std::uint8_t part; ///< from 0; `last_part` for the last one, also when it is the only one
    std::uint8_t colour;
    std::uint32_t width;
    std::uint32_t height;
    std::uint32_t hot_x;
    std::uint32_t hot_y;
};
static_assert(sizeof(PointerShape) == 18);

inline constexpr std::uint8_t last_part = 0xFF;

/// What the host wants to hear of.
struct FeatureChange {
    std::uint8_t dirt;
    std::uint8_t pointer_position;
    std::uint8_t pointer_shape;
    std::uint8_t situation;
};

/// Rectangles follow.
struct Dirt {
    std::uint8_t output;
    std::uint8_t count;
};

struct DirtRectangle {
    std::int32_t left;
    std::int32_t top;
    std::int32_t right;
    std::int32_t bottom;
};
static_assert(sizeof(DirtRectangle) == 16);

struct BiosInfoResponse {
    std::uint32_t stops_device; ///< 1 on a machine of generation 2
    std::uint8_t reserved[12];
};

struct ResolutionRequest {
    std::uint8_t most;
};

inline constexpr std::size_t edid_bytes = 128;

/// Resolutions follow.
struct [[gnu::packed]] ResolutionResponse {
    std::uint8_t edid[edid_bytes];
    std::uint8_t count;
    std::uint8_t preferred; ///< its number in the list
    std::uint8_t standard;
};
static_assert(sizeof(ResolutionResponse) == 131);

struct Resolution {
    std::uint16_t width;
    std::uint16_t height;
};

struct CapabilityResponse {
    std::uint32_t locks_on_disconnect;
    std::uint32_t reserved[15];
};
static_assert(sizeof(CapabilityResponse) == 64);

} // namespace devices::vmbus::video
