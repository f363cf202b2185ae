/// The messages of SynthHID, by which a host's input devices are a guest's HID devices, and what Hyper-V's mouse says
/// of itself (Linux drivers/hid/hid-hyperv.c; OpenVMM vm/devices/uidevices/src/mouse; USB HID 1.11).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace devices::vmbus::mouse {

enum class MessageType : std::uint32_t {
    ProtocolRequest = 0,
    ProtocolResponse = 1,
    DeviceInfo = 2,
    DeviceInfoAck = 3,
    InputReport = 4,
};

/// Behind the header of the pipe.
struct Header {
    MessageType type;
    std::uint32_t size; ///< of what follows
};
static_assert(sizeof(Header) == 8);

inline constexpr std::uint32_t version_2_0 = 2U << 16;

struct ProtocolRequest {
    std::uint32_t version;
};

struct [[gnu::packed]] ProtocolResponse {
    std::uint32_t version;
    std::uint8_t accepted; ///< 1 or 0
};
static_assert(sizeof(ProtocolResponse) == 5);

struct Attributes {
    std::uint32_t size;
    std::uint16_t vendor;
    std::uint16_t product;
    std::uint16_t version;
    std::uint16_t reserved[11];
};
static_assert(sizeof(Attributes) == 32);

/// Five buttons; where the pointer is, absolute; how far the wheel was turned.
struct [[gnu::packed]] Report {
    std::uint8_t buttons; ///< from bit 0: left, right, middle, fourth, fifth
    std::uint16_t x;      ///< 0 to `most`, of the screen's width
    std::uint16_t y;
    std::int16_t wheel; ///< notches, up positive

    static constexpr std::uint16_t most = 0x7FFF;
};
static_assert(sizeof(Report) == 7);

/// HID 1.11 §6.2.2: what a Report means.
inline constexpr std::array<std::uint8_t, 67> report_descriptor{
    0x05, 0x01, 0x09, 0x02, 0xA1, 0x01,                                     // generic desktop: a mouse
    0x09, 0x01, 0xA1, 0x00,                                                 // with a pointer
    0x05, 0x09, 0x19, 0x01, 0x29, 0x05,                                     // buttons 1 to 5
    0x15, 0x00, 0x25, 0x01, 0x95, 0x05, 0x75, 0x01, 0x81, 0x02,             // one bit each
    0x95, 0x01, 0x75, 0x03, 0x81, 0x01,                                     // three bits of nothing
    0x05, 0x01, 0x09, 0x30, 0x09, 0x31,                                     // X and Y
    0x15, 0x00, 0x26, 0xFF, 0x7F, 0x75, 0x10, 0x95, 0x02, 0x81, 0x02,       // 0 to 32767, absolute
    0x05, 0x01, 0x09, 0x38,                                                 // the wheel
    0x16, 0x01, 0x80, 0x26, 0xFF, 0x7F, 0x75, 0x10, 0x95, 0x01, 0x81, 0x06, // -32767 to 32767, relative
    0xC0, 0xC0};

/// HID 1.11 §6.2.1.
struct [[gnu::packed]] HidDescriptor {
    std::uint8_t length;
    std::uint8_t type;
    std::uint16_t hid_version;
    std::uint8_t country;
    std::uint8_t descriptors;
    std::uint8_t report_type;
    std::uint16_t report_length;
};
static_assert(sizeof(HidDescriptor) == 9);

struct [[gnu::packed]] DeviceInfo {
    Attributes attributes;
    HidDescriptor descriptor;
    std::array<std::uint8_t, report_descriptor.size()> report;
};

} // namespace devices::vmbus::mouse
