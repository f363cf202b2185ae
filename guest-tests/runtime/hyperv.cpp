#include "runtime/hyperv.hpp"

#include "runtime/cpu.hpp"
#include "runtime/memory.hpp"

namespace guest::hv {

namespace {

constexpr u32 hv1 = 0x3123'7648; // "Hv#1"

Page page;
Page inputs[GUEST_MAX_CPUS];

CpuidResult feature_leaf()
{
    return present() ? cpuid(leaf_features) : CpuidResult{};
}

} // namespace

bool present()
{
    return cpuid(1).ecx >> 31 && cpuid(leaf_interface).eax == hv1 && cpuid(leaf_vendor).eax >= leaf_limits;
}

bool offered(Feature const& feature)
{
    static CpuidResult const leaf = feature_leaf();
    switch (feature.in) {
    case Feature::Register::eax: return leaf.eax >> feature.bit & 1;
    case Feature::Register::ebx: return leaf.ebx >> feature.bit & 1;
    case Feature::Register::edx: return leaf.edx >> feature.bit & 1;
    }
    return false;
}

void enable_hypercalls()
{
    auto const wanted = gpa(&page) | enable_bit;
    if (rdmsr(msr::guest_os_id) == our_os_id && rdmsr(msr::hypercall) == wanted) return;
    wrmsr(msr::guest_os_id, our_os_id);
    wrmsr(msr::hypercall, wanted);
}

u64 hypercall_page()
{
    return gpa(&page);
}

u64 hypercall(u64 control, u64 in, u64 out)
{
    u64 result = hypercall_page();
    asm volatile("movq %[out], %%r8; call *%%rax"
                 : "+a"(result), "+c"(control), "+d"(in)
                 : [out] "r"(out)
                 : "r8", "memory", "cc");
    return result;
}

void* input_page()
{
    return inputs[this_cpu().index].bytes;
}

char const* name(Status status)
{
    switch (status) {
    case Status::Success: return "HV_STATUS_SUCCESS";
    case Status::InvalidHypercallCode: return "HV_STATUS_INVALID_HYPERCALL_CODE";
    case Status::InvalidHypercallInput: return "HV_STATUS_INVALID_HYPERCALL_INPUT";
    case Status::InvalidAlignment: return "HV_STATUS_INVALID_ALIGNMENT";
    case Status::InvalidParameter: return "HV_STATUS_INVALID_PARAMETER";
    case Status::AccessDenied: return "HV_STATUS_ACCESS_DENIED";
    case Status::InvalidPartitionState: return "HV_STATUS_INVALID_PARTITION_STATE";
    case Status::OperationDenied: return "HV_STATUS_OPERATION_DENIED";
    case Status::UnknownProperty: return "HV_STATUS_UNKNOWN_PROPERTY";
    case Status::PropertyValueOutOfRange: return "HV_STATUS_PROPERTY_VALUE_OUT_OF_RANGE";
    case Status::InsufficientMemory: return "HV_STATUS_INSUFFICIENT_MEMORY";
    case Status::PartitionTooDeep: return "HV_STATUS_PARTITION_TOO_DEEP";
    case Status::InvalidPartitionId: return "HV_STATUS_INVALID_PARTITION_ID";
    case Status::InvalidVpIndex: return "HV_STATUS_INVALID_VP_INDEX";
    case Status::InvalidPortId: return "HV_STATUS_INVALID_PORT_ID";
    case Status::InvalidConnectionId: return "HV_STATUS_INVALID_CONNECTION_ID";
    case Status::InsufficientBuffers: return "HV_STATUS_INSUFFICIENT_BUFFERS";
    case Status::NotAcknowledged: return "HV_STATUS_NOT_ACKNOWLEDGED";
    case Status::Acknowledged: return "HV_STATUS_ACKNOWLEDGED";
    case Status::InvalidVpState: return "HV_STATUS_INVALID_VP_STATE";
    case Status::InvalidSynicState: return "HV_STATUS_INVALID_SYNIC_STATE";
    case Status::ObjectInUse: return "HV_STATUS_OBJECT_IN_USE";
    case Status::InvalidProximityDomainInfo: return "HV_STATUS_INVALID_PROXIMITY_DOMAIN_INFO";
    case Status::NoResources: return "HV_STATUS_NO_RESOURCES";
    case Status::InvalidRegisterValue: return "HV_STATUS_INVALID_REGISTER_VALUE";
    case Status::InvalidVtlState: return "HV_STATUS_INVALID_VTL_STATE";
    }
    return "HV_STATUS";
}

} // namespace guest::hv
