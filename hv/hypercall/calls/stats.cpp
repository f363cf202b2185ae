/// Statistics pages (newest).
#include "hv/abi/stats.hpp"

#include "hv/hypercall/calls/calls.hpp"
#include "hv/partition/children.hpp"

namespace hv::calls {

namespace {

/// Does `work` with the caller's Children and the object's name, when there is such an object.
template <typename Work>
Status with_object(Caller const& caller, abi::UnmapStatsPageInput const& in, Work const& work)
{
    auto const target = caller.target(in.identity.partition);
    if (!target) return target.status();
    if (!target->active()) return Status::InvalidPartitionState;
    auto const& who = in.identity;
    if (in.reserved != 0 || who.reserved0 != 0 || who.reserved1 != 0 || who.area >= abi::StatsIdentity::areas)
        return Status::InvalidParameter;
    if (in.type == abi::StatsObject::Vp) {
        if (!target->vp(VpIndex{who.vp_index})) return Status::InvalidVpIndex;
    } else if (in.type != abi::StatsObject::Partition || who.vp_index != 0) {
        return Status::InvalidParameter;
    }
    if (!caller.partition.children()) return Status::NoResources;
    auto name = Children::StatsName{in.type, who};
    name.identity.partition = target->id().value; // SELF is that
    return work(*caller.partition.children(), name);
}

} // namespace

/// HvCallMapStatsPage2 (call code 0x0131). Of itself and of children.
Status map_stats_page(Caller const& caller, abi::MapStatsPageInput const& in)
{
    return with_object(caller, in.what, [&](Children& all, Children::StatsName const& name) {
        return all.map_stats(name, in.location);
    });
}

/// HvCallUnmapStatsPage (call code 0x006D).
Status unmap_stats_page(Caller const& caller, abi::UnmapStatsPageInput const& in)
{
    return with_object(caller, in,
                       [](Children& all, Children::StatsName const& name) { return all.unmap_stats(name); });
}

} // namespace hv::calls
