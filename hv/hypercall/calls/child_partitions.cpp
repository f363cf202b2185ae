/// The life of a partition that another makes (TLFS 2.0a §5.3 to §5.6). A child that the user's configuration has
/// made can be asked about, and is not the parent's to end.
#include "hv/hypercall/calls/calls.hpp"
#include "hv/hypercall/calls/on_vp.hpp"
#include "hv/hypercall/calls/own_child.hpp"
#include "hv/partition/child.hpp"
#include "hv/partition/children.hpp"
#include "hv/partition/registry.hpp"

#include <new>
#include <optional>

namespace hv::calls {

namespace {

constexpr auto known_creation_flags = abi::creation_flag::super_pages | abi::creation_flag::exo_partition |
                                      abi::creation_flag::local_apic | abi::creation_flag::intercept_page |
                                      abi::creation_flag::x2apic;

} // namespace

/// HvCreatePartition (§5.6.1; call code 0x0040), with the input of the newest text. What it disables of the
/// processor's features is not looked at.
Result<abi::PartitionIdOutput> create_partition(Caller const& caller, abi::CreatePartitionInput const& in)
{
    if (!caller.permitted()) return Status::AccessDenied;
    if ((in.flags & ~known_creation_flags) != 0 || !in.proximity.reserved_clear() || in.reserved != 0)
        return Status::InvalidParameter;
    auto* const children = caller.partition.children();
    if (!children) return caller.partition.child() ? Status::PartitionTooDeep : Status::NoResources;
    auto const made = children->create(in.flags);
    if (!made) return made.status();
    return abi::PartitionIdOutput{made->value};
}

/// HvInitializePartition (§5.6.2; call code 0x0041; may be fast).
Status initialize_partition(Caller const& caller, abi::PartitionInput const& in)
{
    return with_own_child(caller, in.partition,
                          [](Children& all, Partition& child) { return all.initialize(child); });
}

/// HvFinalizePartition (§5.6.3; call code 0x0042; may be fast). It takes as long as it takes, and returns then.
Status finalize_partition(Caller const& caller, abi::PartitionInput const& in)
{
    return with_own_child(caller, in.partition, [](Children& all, Partition& child) { return all.finalize(child); });
}

/// HvDeletePartition (§5.6.4; call code 0x0043; may be fast).
Status delete_partition(Caller const& caller, abi::PartitionInput const& in)
{
    return with_own_child(caller, in.partition, [](Children& all, Partition& child) { return all.remove(child); });
}

namespace {

/// Has the VPs of a partition, and of all that descend from it, look whether they are to execute. No deeper than
/// Children::deepest. One that is made meanwhile looks by itself. Throws std::bad_alloc.
void have_looked(Caller const& caller, Partition& partition)
{
    for (std::uint32_t index = 0; index < partition.vp_indices(); ++index)
        (void)on_vp(caller, partition, index, [](VirtualProcessor&) {});
    if (auto const* const children = partition.children())
        for (auto const& child : children->all())
            have_looked(caller, *child);
}

/// Has a child's VPs, and those of its descendants, execute nothing, or go on.
Status freeze(Caller const& caller, Partition& child, bool freezes)
try {
    child.child()->time_frozen.store(freezes);
    have_looked(caller, child);
    return Status::Success;
} catch (std::bad_alloc const&) { // some will look later
    return Status::NoResources;
}

/// A property that parents can change at any time; nothing of any other.
std::optional<Status> set_changeable(Caller const& caller, Partition& child, abi::SetPartitionPropertyInput const& in)
{
    using enum abi::PartitionProperty;
    if (in.code != UnimplementedMsrAction && in.code != TimeFreeze) return std::nullopt;
    if (in.value > 1) return Status::PropertyValueOutOfRange;
    if (in.code == TimeFreeze) return freeze(caller, child, in.value != 0);
    child.child()->unimplemented_msrs.store(static_cast<abi::MsrAction>(in.value));
    return Status::Success;
}

} // namespace

/// HvSetPartitionProperty (§5.6.6; call code 0x0045). What a child may can be set until it is initialized (newest,
/// early properties), and two others as long as it lives. Any other that is known has one value, and takes no other.
Status set_partition_property(Caller const& caller, abi::SetPartitionPropertyInput const& in)
{
    return with_own_child(caller, in.partition, [&](Children& all, Partition& child) {
        if (in.code == abi::PartitionProperty::PrivilegeFlags) return all.set_rights(child, in.value);
        if (in.code == abi::PartitionProperty::SyntheticProcessorFeatures)
            return all.set_processor_features(child, in.value);
        if (auto const status = set_changeable(caller, child, in)) return *status;
        if (!child.active()) return Status::InvalidPartitionState;
        auto const value = property_of(child, in.code);
        if (!value) return Status::UnknownProperty;
        return *value == in.value ? Status::Success : Status::PropertyValueOutOfRange;
    });
}

/// HvGetNextChildPartition (§5.6.8; call code 0x0047). All children are told of, in whatever state they are.
Result<abi::PartitionIdOutput> get_next_child_partition(Caller const& caller,
                                                        abi::GetNextChildPartitionInput const& in)
{
    auto const parent = caller.target(in.parent);
    if (!parent) return parent.status();
    auto const next = caller.partition.registry().next_child(parent->id(), PartitionId{in.previous});
    if (!next) return Status::InvalidPartitionId;
    return abi::PartitionIdOutput{next->value};
}

} // namespace hv::calls
