/// HV_PARTITION_PROPERTY_CODE (TLFS 2.0a §5.2.2; the newest data-types page). Of the newest page's codes, those whose
/// value has a documented meaning here.
#pragma once

#include <cstdint>

namespace hv::abi {

enum class PartitionProperty : std::uint32_t {
    PrivilegeFlags = 0x0001'0000,
    SyntheticProcessorFeatures = 0x0001'0001, ///< newest; can only be set

    Suspend = 0x0002'0000, ///< newest
    CpuReserve = 0x0002'0001,
    CpuCap = 0x0002'0002,
    CpuWeight = 0x0002'0003,
    CpuGroupId = 0x0002'0004, ///< newest

    EmulatedTimerPeriod = 0x0003'0000,
    EmulatedTimerControl = 0x0003'0001,
    PmTimerAssist = 0x0003'0002,
    TimeFreeze = 0x0003'0003,    ///< newest
    ReferenceTime = 0x0003'0005, ///< newest

    DebugChannelId = 0x0004'0000,

    VirtualTlbPageCount = 0x0005'0000,
    ProcessorsPerSocket = 0x0005'0003,            ///< newest
    ImplementedPhysicalAddressBits = 0x0005'0010, ///< newest
    UnimplementedMsrAction = 0x0005'0017,         ///< newest

    ProcessorVendor = 0x0006'0000,
    ProcessorFeatures = 0x0006'0001,
    ProcessorXsaveFeatures = 0x0006'0002,
    ProcessorCacheLineFlushSize = 0x0006'0003,
    PhysicalAddressWidth = 0x0006'0006,    ///< newest
    XsaveStates = 0x0006'0007,             ///< newest; of a child alone, as the next
    MaxXsaveDataSize = 0x0006'0008,        ///< newest
    ProcessorClockFrequency = 0x0006'0009, ///< newest
    ProcessorFeatures0 = 0x0006'000A,      ///< newest; what ProcessorFeatures was has become two banks
    ProcessorFeatures1 = 0x0006'000B,      ///< newest

    GuestOsId = 0x0007'0000, ///< newest

    VmmCapabilities = 0x0009'0007, ///< newest; of HvCallGetPartitionPropertyEx alone
};

inline constexpr std::uint64_t processor_features_of_2_0a = 0x7FFF; ///< those that 2.0a §5.2.8 names; else reserved
inline constexpr std::uint64_t default_cpu_cap = 0x1'0000;          ///< no limit (2.0a §18.2.2)
inline constexpr std::uint64_t default_cpu_weight = 100;            ///< 2.0a §18.2.3

} // namespace hv::abi
