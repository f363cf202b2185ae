/// From APIC IDs to VP indices (TLFS 6.0b §7.10.4).
#include "hv/hypercall/calls/calls.hpp"

namespace hv::calls {

/// HvGetVpIndexFromApicId (call code 0x009A, rep). A VP's APIC ID is its index: what a guest writes into its xAPIC's
/// ID register does not count.
Progress get_vp_index_from_apic_id(Caller const& caller, abi::GetVpIndexFromApicIdInput const& in,
                                   std::span<abi::ApicIdElement const> ids, std::span<abi::VpIndexElement> indices)
{
    auto const target = caller.target(in.partition);
    if (!target) return {target.status(), 0};
    if (!target->active()) return {Status::InvalidPartitionState, 0};
    if (in.target_vtl != 0) return {Status::InvalidVtlState, 0};

    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (!target->vp(VpIndex{ids[i].apic_id})) return {Status::InvalidParameter, i};
        indices[i] = {ids[i].apic_id, 0};
    }
    return {Status::Success, ids.size()};
}

} // namespace hv::calls
