/// Where devices are. UEFI Specification 2.10 §10.3.
#pragma once

#include "devices/efi/efi.hpp"

namespace efi {

#pragma pack(push, 1)

struct PathNode {
    uint8_t type;
    uint8_t subtype;
    uint16_t length;
};

/// Of a disk, as Hyper-V's own firmware names it (microsoft/mu_msvm, MsvmPkg: VmbusDxe, StorvscDxe): below VMBus, the
/// controller's channel by its type and instance, then the logical unit.
struct DiskPath {
    using Node = PathNode;

    struct Vmbus { // §10.3.3, expanded: the names count
        Node node{2, 2, sizeof(Vmbus)};
        uint32_t hid = 0;
        uint32_t uid = 0;
        uint32_t cid = 0;
        char hid_text[6] = {'V', 'M', 'B', 'u', 's', 0};
        char uid_text[1] = {0};
        char cid_text[1] = {0};
    };

    struct Channel { // §10.3.2.4, with a vendor's own data
        Node node{1, 4, sizeof(Channel)};
        Guid vendor{0x9B17E5A2, 0x0891, 0x42DD, {0xB6, 0x53, 0x80, 0xB5, 0xC2, 0x28, 0x09, 0xBA}};
        Guid type{0xBA6163D9, 0x04A1, 0x4D29, {0xB6, 0x05, 0x72, 0xE2, 0xFF, 0xB1, 0xDC, 0x7F}}; ///< SCSI
        Guid instance;
    };

    struct Scsi { // §10.3.4.2
        Node node{3, 2, sizeof(Scsi)};
        uint16_t target = 0;
        uint16_t lun;
    };

    Vmbus vmbus{};
    Channel channel{};
    Scsi scsi{};
    Node end{0x7F, 0xFF, sizeof(Node)};
};
static_assert(sizeof(DiskPath) == 24 + 52 + 8 + 4);

/// Of a network card, by the same firmware's NetvscDxe.
struct CardPath {
    struct Mac { // §10.3.4.8
        PathNode node{3, 11, sizeof(Mac)};
        uint8_t address[32] = {};
        uint8_t kind = 1; ///< Ethernet (RFC 3232)
    };

    DiskPath::Vmbus vmbus{};
    DiskPath::Channel channel{.type = {0xF8615163, 0xDF3E, 0x46C5, {0x91, 0x3F, 0xF2, 0xD2, 0xF9, 0x65, 0xED, 0x0E}},
                              .instance = {}};
    Mac mac{};
    PathNode end{0x7F, 0xFF, sizeof(PathNode)};
};
static_assert(sizeof(CardPath) == 24 + 52 + 37 + 4);

/// Of what boots over the card by IPv4, as edk2's PXE driver names it: all addresses are those of DHCP.
struct CardBootPath {
    struct Ip4 { // §10.3.4.10
        PathNode node{3, 12, sizeof(Ip4)};
        uint8_t addresses[23] = {};
    };

    DiskPath::Vmbus vmbus{};
    DiskPath::Channel channel{};
    CardPath::Mac mac{};
    Ip4 ip4{};
    PathNode end{0x7F, 0xFF, sizeof(PathNode)};
};
static_assert(sizeof(CardBootPath) == sizeof(CardPath) + 27);

struct VendorNode { // §10.3.2.4
    PathNode node{1, 4, sizeof(VendorNode)};
    Guid vendor;
};

/// Of the screen: hardware of ours, and the output that it drives, as an ACPI display device of a VGA's kind that
/// firmware can find (ACPI Specification 6.5 §B.3.2).
struct ScreenPath {
    struct Output { // §10.3.3.1
        PathNode node{2, 3, sizeof(Output)};
        uint32_t address = 0x8001'0100;
    };

    VendorNode screen{.vendor = {0x5C2F8B11, 0x7A0E, 0x4D5B, {0x9D, 0x64, 0x1B, 0x0C, 0x83, 0xE7, 0x52, 0xAF}}};
    Output output{};
    PathNode end{0x7F, 0xFF, sizeof(PathNode)};
};
static_assert(sizeof(ScreenPath) == 20 + 8 + 4);

struct KeyboardPath {
    VendorNode keyboard{.vendor = {0x8E41D7C3, 0x2B96, 0x4F0A, {0xB3, 0x17, 0x6D, 0xA9, 0x40, 0x5E, 0xF8, 0x2C}}};
    PathNode end{0x7F, 0xFF, sizeof(PathNode)};
};
static_assert(sizeof(KeyboardPath) == 20 + 4);

struct PointerPath {
    VendorNode pointer{.vendor = {0x3D0B6C94, 0xE517, 0x4E62, {0x8A, 0x2F, 0x91, 0xC4, 0x07, 0xD8, 0x5B, 0xE3}}};
    PathNode end{0x7F, 0xFF, sizeof(PathNode)};
};
static_assert(sizeof(PointerPath) == 20 + 4);

#pragma pack(pop)

} // namespace efi
