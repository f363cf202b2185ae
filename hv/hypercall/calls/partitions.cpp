/// What a partition may ask about itself (TLFS 2.0a §5.6).
#include "hv/hypercall/calls/calls.hpp"

namespace hv::calls {

/// HvGetPartitionId (§5.6.7; call code 0x0046).
Status get_partition_id(Caller const& caller, abi::GetPartitionIdOutput& out)
{
    if (!caller.partition.rights().has(Privilege::AccessPartitionId)) return Status::AccessDenied;
    out.partition_id = caller.partition.id().value;
    return Status::Success;
}

} // namespace hv::calls
