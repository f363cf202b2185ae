/// What goes over the channel of a synthetic SCSI controller. No public specification has it; layouts and numbers are
/// those of shipped guests (Linux drivers/scsi/storvsc_drv.c: vstor_packet, vmscsi_request) and of OpenVMM
/// (vm/devices/storage/storvsp_protocol).
#pragma once

#include "hv/abi/guid.hpp"

#include <cstddef>
#include <cstdint>

namespace devices::storage {

inline constexpr auto scsi_interface = hv::vmbus::guid("ba6163d9-04a1-4d29-b605-72e2ffb1dc7f");

enum class Operation : std::uint32_t {
    CompleteIo = 1,
    ExecuteSrb = 3,
    ResetLun = 4,
    ResetAdapter = 5,
    ResetBus = 6,
    BeginInitialization = 7,
    EndInitialization = 8,
    QueryProtocolVersion = 9,
    QueryProperties = 10,
    EnumerateBus = 11, ///< to the guest: units have come or gone
    CreateSubChannels = 13,
};

/// NTSTATUS values.
enum class PacketStatus : std::uint32_t {
    Success = 0,
    InvalidParameter = 0xC000'000D,
    InvalidDeviceRequest = 0xC000'0010,
    RevisionMismatch = 0xC000'0059,
    DeviceDoesNotExist = 0xC000'00C0,
    InvalidDeviceState = 0xC000'0184,
    IoDeviceError = 0xC000'0185,
};

struct PacketHeader {
    Operation operation;
    std::uint32_t flags;
    PacketStatus status;
};
static_assert(sizeof(PacketHeader) == 12);

/// Major number in the high byte.
enum class Version : std::uint16_t {
    None = 0,
    Windows7 = 0x0402,
    Windows8 = 0x0501,
    Windows8_1 = 0x0600,
    Windows10 = 0x0602,
};

/// The low six bits of `srb_status`.
namespace srb_status {
inline constexpr std::uint8_t success = 0x01;
inline constexpr std::uint8_t error = 0x04;
inline constexpr std::uint8_t invalid_request = 0x06;
inline constexpr std::uint8_t invalid_lun = 0x20;
inline constexpr std::uint8_t sense_data_valid = 0x80; ///< a flag beside them
} // namespace srb_status

/// `data_in` of a request.
inline constexpr std::uint8_t data_goes_out = 0;
inline constexpr std::uint8_t data_comes_in = 1;

/// A SCSI request block. Up to Windows 7 it ends behind `cdb_or_sense`.
struct ScsiRequest {
    std::uint16_t length;
    std::uint8_t srb_status;
    std::uint8_t scsi_status;
    std::uint8_t port;
    std::uint8_t path;
    std::uint8_t target;
    std::uint8_t lun;
    std::uint8_t cdb_length;
    std::uint8_t sense_length; ///< room for sense data; in the answer how much there is
    std::uint8_t data_in;
    std::uint8_t reserved;
    std::uint32_t data_transfer_length; ///< bytes; in the answer how many were moved
    std::uint8_t cdb_or_sense[20];      ///< the CDB takes up to 16
    std::uint16_t reserved2;
    std::uint8_t queue_tag;
    std::uint8_t queue_action;
    std::uint32_t srb_flags;
    std::uint32_t timeout; ///< seconds
    std::uint32_t queue_sort_key;
};
static_assert(offsetof(ScsiRequest, cdb_or_sense) == 16);
static_assert(offsetof(ScsiRequest, srb_flags) == 40);
static_assert(sizeof(ScsiRequest) == 52);

inline constexpr std::size_t windows7_request_size = 36;
inline constexpr std::size_t windows7_sense_size = 18;

/// Answers QueryProperties.
struct ChannelProperties {
    std::uint32_t reserved;
    std::uint16_t max_sub_channels;
    std::uint16_t reserved2;
    std::uint32_t flags;
    std::uint32_t max_transfer_bytes;
    std::uint64_t reserved3;
};
static_assert(sizeof(ChannelProperties) == 24);

inline constexpr std::uint32_t supports_sub_channels = 1;

/// A packet of the longest kind: behind the header is a ScsiRequest, ChannelProperties, a version or a count.
inline constexpr std::size_t largest_packet = sizeof(PacketHeader) + sizeof(ScsiRequest);

/// None for one that is not known here.
[[nodiscard]] Version known_version(std::uint16_t version);

/// What a packet has in a version.
[[nodiscard]] constexpr std::size_t packet_size(Version version)
{
    return version < Version::Windows8 ? sizeof(PacketHeader) + windows7_request_size : largest_packet;
}

} // namespace devices::storage
