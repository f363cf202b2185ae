/// HV_STATUS (TLFS 2.0a appendix B; 6.0b appendix B): what a hypercall says in the low 16 bits of its result.
#pragma once

#include <cstdint>

namespace hv {

enum class Status : std::uint16_t {
    Success = 0x0000,
    InvalidHypercallCode = 0x0002,
    InvalidHypercallInput = 0x0003,
    InvalidAlignment = 0x0004,
    InvalidParameter = 0x0005,
    AccessDenied = 0x0006,
    InvalidPartitionState = 0x0007,
    OperationDenied = 0x0008,
    UnknownProperty = 0x0009,
    PropertyValueOutOfRange = 0x000A,
    InsufficientMemory = 0x000B,
    PartitionTooDeep = 0x000C,
    InvalidPartitionId = 0x000D,
    InvalidVpIndex = 0x000E,
    InvalidPortId = 0x0011,
    InvalidConnectionId = 0x0012,
    InsufficientBuffers = 0x0013,
    NotAcknowledged = 0x0014,
    InvalidVpState = 0x0015,
    Acknowledged = 0x0016,
    InvalidSynicState = 0x0018,
    ObjectInUse = 0x0019,
    InvalidProximityDomainInfo = 0x001A,
    NoResources = 0x001D,
    FeatureUnavailable = 0x001E,
    InvalidRegisterValue = 0x0050,
    InvalidVtlState = 0x0051, ///< number from Microsoft's headers; 6.0b names it in the calls, not in its appendix
};

/// The TLFS name without HV_STATUS_, for traces: "INVALID_PORT_ID".
[[nodiscard]] char const* name_of(Status status);

} // namespace hv
