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

Target Caller::target(std::uint64_t id) const
{
    using enum Access::Upon;
    auto const upon = call.access.upon;
    bool const self = id == self_partition.value || id == partition.id().value;
    if (self && upon == SelfFreelyOrChild) return Target{partition};
    if (!permitted() || (self && upon == Child)) return Target{Status::AccessDenied};
    auto other = named(id);
    if (other && !self && other->parent() != partition.id()) return Target{Status::AccessDenied};
    return other;
}

} // namespace hv
