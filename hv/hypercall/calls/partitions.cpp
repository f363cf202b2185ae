/// What a partition may ask about itself and its children (TLFS 2.0a §5.6), and advice that it may give (§18.5).
#include "hv/child/xsave_area.hpp"
#include "hv/hypercall/calls/calls.hpp"
#include "hv/partition/child.hpp"
#include "hv/vp/virtual_processor.hpp"

namespace hv::calls {

std::optional<std::uint64_t> property_of(Partition const& partition, abi::PartitionProperty code)
{
    using enum abi::PartitionProperty;
    auto const& processor = partition.processor();
    switch (code) {
    case PrivilegeFlags: return partition.rights().privileges();
    case CpuCap: return abi::default_cpu_cap;
    case CpuWeight: return abi::default_cpu_weight;
    case ReferenceTime: return partition.time().now().value;
    case ProcessorsPerSocket: return partition.child() ? partition.vp_indices() : partition.vps().size();
    case ImplementedPhysicalAddressBits:
    case PhysicalAddressWidth: return processor.physical_address_bits;
    case ProcessorVendor: return processor.vendor;
    case ProcessorFeatures: return processor.features & abi::processor_features_of_2_0a;
    case ProcessorFeatures0: return processor.features;
    case ProcessorFeatures1: return processor.more_features;
    case ProcessorXsaveFeatures: return processor.xsave_features;
    case ProcessorCacheLineFlushSize: return processor.cache_line_flush_size;
    case ProcessorClockFrequency: return partition.time().clock().tsc_hz();
    case GuestOsId: return partition.guest_os_id();
    case UnimplementedMsrAction:
        return partition.child() ? static_cast<std::uint64_t>(partition.child()->unimplemented_msrs.load()) : 0;
    case TimeFreeze: return partition.child() && partition.child()->time_frozen.load() ? 1 : 0;
    case Suspend:
    case CpuReserve:
    case CpuGroupId:
    case EmulatedTimerPeriod:
    case EmulatedTimerControl:
    case PmTimerAssist:
    case DebugChannelId:
    case VirtualTlbPageCount: return 0;
    case XsaveStates:
    case MaxXsaveDataSize: {
        if (!partition.child()) break;
        XsaveLayout const layout{partition.child()->machine->leaves()};
        return code == XsaveStates ? layout.components() : layout.most_bytes();
    }
    case SyntheticProcessorFeatures: // is shown as PrivilegeFlags
    case VmmCapabilities: break;     // larger than this call's output
    }
    return std::nullopt;
}

/// HvGetPartitionId (§5.6.7; call code 0x0046).
Result<abi::GetPartitionIdOutput> get_partition_id(Caller const& caller)
{
    if (!caller.permitted()) return Status::AccessDenied;
    return abi::GetPartitionIdOutput{caller.partition.id().value};
}

/// HvGetPartitionProperty (§5.6.5; call code 0x0044). The text allows a partition to ask about itself to the root
/// only; here each may, because none of its own properties is a secret to it.
Result<abi::GetPartitionPropertyOutput> get_partition_property(Caller const& caller,
                                                               abi::GetPartitionPropertyInput const& in)
{
    auto const target = caller.target(in.partition);
    if (!target) return target.status();
    if (!target->active()) return Status::InvalidPartitionState;
    auto const value = property_of(*target, in.code);
    if (!value) return Status::UnknownProperty;
    return abi::GetPartitionPropertyOutput{*value};
}

/// HvCallGetPartitionPropertyEx (call code 0x0101), as Linux makes it: no text has the call. What a partition may do
/// as a parent depends on whether it may be one.
Result<abi::VmmCapabilities> get_partition_property_ex(Caller const& caller,
                                                       abi::GetPartitionPropertyExInput const& in)
{
    auto const target = caller.target(in.partition);
    if (!target) return target.status();
    if (!target->active()) return Status::InvalidPartitionState;
    if (in.code != abi::PartitionProperty::VmmCapabilities) return Status::UnknownProperty;
    if (in.argument != 0) return Status::InvalidParameter;
    bool const parent = target->rights().has(Privilege::CreatePartitions);
    return abi::VmmCapabilities{1, {}, parent ? abi::VmmCapabilities::overlay_location : 0};
}

/// HvExtCallQueryCapabilities (newest; call code 0x8001): no other extended call is there.
Result<abi::ExtQueryCapabilitiesOutput> ext_query_capabilities(Caller const& caller)
{
    if (!caller.permitted()) return Status::AccessDenied;
    return abi::ExtQueryCapabilitiesOutput{};
}

/// HvNotifyLongSpinWait (§18.5.1; call code 0x0008; may be fast). Advice: it cannot fail, whatever is in its input.
Status notify_long_spin_wait(Caller const& caller, abi::NotifyLongSpinWaitInput const&)
{
    caller.vp.control().yield();
    return Status::Success;
}

} // namespace hv::calls
