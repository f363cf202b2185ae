/// The numbers of SCSI: SAM-5, SPC-4 (commands for all devices), SBC-3 (disks), MMC-6 (optical discs).
#pragma once

#include <cstdint>

namespace devices::scsi {

enum class OpCode : std::uint8_t {
    TestUnitReady = 0x00,
    RequestSense = 0x03,
    Read6 = 0x08,
    Write6 = 0x0A,
    Inquiry = 0x12,
    ModeSelect6 = 0x15,
    ModeSense6 = 0x1A,
    StartStopUnit = 0x1B,
    PreventAllowMediumRemoval = 0x1E,
    ReadCapacity10 = 0x25,
    Read10 = 0x28,
    Write10 = 0x2A,
    Verify10 = 0x2F,
    SynchronizeCache10 = 0x35,
    WriteSame10 = 0x41,
    Unmap = 0x42,
    ReadToc = 0x43,
    GetConfiguration = 0x46,
    GetEventStatusNotification = 0x4A,
    ReadDiscInformation = 0x51,
    ReadTrackInformation = 0x52,
    ModeSelect10 = 0x55,
    ModeSense10 = 0x5A,
    Read16 = 0x88,
    Write16 = 0x8A,
    Verify16 = 0x8F,
    SynchronizeCache16 = 0x91,
    WriteSame16 = 0x93,
    ServiceActionIn16 = 0x9E,
    ReportLuns = 0xA0,
    Read12 = 0xA8,
    Write12 = 0xAA,
    Verify12 = 0xAF,
};

inline constexpr std::uint8_t service_action_read_capacity_16 = 0x10;

/// SAM-5 table "status codes".
enum class Status : std::uint8_t {
    Good = 0x00,
    CheckCondition = 0x02,
};

/// SPC-4 table "sense key".
enum class SenseKey : std::uint8_t {
    NoSense = 0x0,
    NotReady = 0x2,
    MediumError = 0x3,
    HardwareError = 0x4,
    IllegalRequest = 0x5,
    DataProtect = 0x7,
};

/// Additional sense code, and its qualifier in the low byte: SPC-4 table "ASC and ASCQ assignments".
enum class Additional : std::uint16_t {
    None = 0x0000,
    NotReadyCauseNotReportable = 0x0400,
    WriteError = 0x0C00,
    UnrecoveredReadError = 0x1100,
    ParameterListLengthError = 0x1A00,
    InvalidOpCode = 0x2000,
    LbaOutOfRange = 0x2100,
    InvalidFieldInCdb = 0x2400,
    LogicalUnitNotSupported = 0x2500,
    InvalidFieldInParameterList = 0x2600,
    WriteProtected = 0x2700,
    SavingParametersNotSupported = 0x3900,
    InternalTargetFailure = 0x4400,
    SpaceAllocationFailedWriteProtect = 0x2707,
};

enum class DeviceType : std::uint8_t {
    Disk = 0x00,
    Disc = 0x05, ///< CD, DVD
};

/// The byte that answers INQUIRY where no unit can be: peripheral qualifier 3, type 1Fh.
inline constexpr std::uint8_t no_unit_here = 0x7F;

/// Pages of vital product data (SPC-4 7.8, SBC-3 6.6).
enum class VpdPage : std::uint8_t {
    SupportedPages = 0x00,
    SerialNumber = 0x80,
    DeviceIdentification = 0x83,
    BlockLimits = 0xB0,
    BlockDeviceCharacteristics = 0xB1,
    LogicalBlockProvisioning = 0xB2,
};

} // namespace devices::scsi
