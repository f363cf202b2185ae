#include "hv/hypercall/caller.hpp"

#include "hv/partition/registry.hpp"

namespace hv {

Target Caller::named(std::uint64_t id) const
{
    if (id == self_partition.value || id == partition.id().value) return Target{partition};
    auto other = partition.registry().find(PartitionId{id});
    if (!other) return Target{Status::InvalidPartitionId};
    return Target{std::move(other)};
}

Target Caller::controlled(std::uint64_t id, Privilege privilege) const
{
    if (!partition.rights().has(privilege)) return Target{Status::AccessDenied};
    auto target = named(id);
    if (target && &*target != &partition && target->parent() != partition.id()) return Target{Status::AccessDenied};
    return target;
}

Target Caller::child(std::uint64_t id) const
{
    auto target = controlled(id, Privilege::CreatePartitions);
    if (target && &*target == &partition) return Target{Status::AccessDenied};
    return target;
}

Target Caller::self_or_child(std::uint64_t id) const
{
    if (id == self_partition.value || id == partition.id().value) return Target{partition};
    return child(id);
}

} // namespace hv
