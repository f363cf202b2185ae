#include "hv/abi/status.hpp"

namespace hv {

char const* name_of(Status status)
{
    switch (status) {
    case Status::Success: return "SUCCESS";
    case Status::InvalidHypercallCode: return "INVALID_HYPERCALL_CODE";
    case Status::InvalidHypercallInput: return "INVALID_HYPERCALL_INPUT";
    case Status::InvalidAlignment: return "INVALID_ALIGNMENT";
    case Status::InvalidParameter: return "INVALID_PARAMETER";
    case Status::AccessDenied: return "ACCESS_DENIED";
    case Status::InvalidPartitionState: return "INVALID_PARTITION_STATE";
    case Status::OperationDenied: return "OPERATION_DENIED";
    case Status::UnknownProperty: return "UNKNOWN_PROPERTY";
    case Status::PropertyValueOutOfRange: return "PROPERTY_VALUE_OUT_OF_RANGE";
    case Status::InsufficientMemory: return "INSUFFICIENT_MEMORY";
    case Status::PartitionTooDeep: return "PARTITION_TOO_DEEP";
    case Status::InvalidPartitionId: return "INVALID_PARTITION_ID";
    case Status::InvalidVpIndex: return "INVALID_VP_INDEX";
    case Status::InvalidPortId: return "INVALID_PORT_ID";
    case Status::InvalidConnectionId: return "INVALID_CONNECTION_ID";
    case Status::InsufficientBuffers: return "INSUFFICIENT_BUFFERS";
    case Status::NotAcknowledged: return "NOT_ACKNOWLEDGED";
    case Status::InvalidVpState: return "INVALID_VP_STATE";
    case Status::Acknowledged: return "ACKNOWLEDGED";
    case Status::InvalidSynicState: return "INVALID_SYNIC_STATE";
    case Status::ObjectInUse: return "OBJECT_IN_USE";
    case Status::InvalidProximityDomainInfo: return "INVALID_PROXIMITY_DOMAIN_INFO";
    case Status::NoResources: return "NO_RESOURCES";
    case Status::FeatureUnavailable: return "FEATURE_UNAVAILABLE";
    case Status::InvalidRegisterValue: return "INVALID_REGISTER_VALUE";
    case Status::InvalidVtlState: return "INVALID_VTL_STATE";
    }
    return "?";
}

} // namespace hv
