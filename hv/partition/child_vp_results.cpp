/// What a child's VP finds where nothing is intercepted. All of this is on the VP's own thread.
#include "hv/child/xsave_area.hpp"
#include "hv/partition/child.hpp"
#include "hv/partition/child_vp.hpp"
#include "hv/partition/partition.hpp"

#include <new>

namespace hv {

/// Has the machine show the leaves with all that is registered. As it was, when it refuses: of a VP that has run it
/// may do so even when nothing changes.
Status ChildVp::change_cpuid(CpuidResults changed)
{
    auto const leaves = changed.applied_to(processor_->cpuid());
    bool const same = leaves == cpuid_.applied_to(processor_->cpuid());
    if (!same && !processor_->set_cpuid(leaves)) return Status::InvalidVpState;
    cpuid_ = std::move(changed);
    return Status::Success;
}

Status ChildVp::register_result(abi::CpuidResult const& result)
try {
    auto changed = cpuid_;
    auto const status = changed.add(result);
    return status == Status::Success ? change_cpuid(std::move(changed)) : status;
} catch (std::bad_alloc const&) {
    return Status::NoResources;
}

Status ChildVp::unregister_result(abi::CpuidResultName const& name)
try {
    auto changed = cpuid_;
    auto const status = changed.remove(name);
    return status == Status::Success ? change_cpuid(std::move(changed)) : status;
} catch (std::bad_alloc const&) {
    return Status::NoResources;
}

Status ChildVp::register_result(abi::MsrResult const& result)
try {
    return msrs_.add(result);
} catch (std::bad_alloc const&) {
    return Status::NoResources;
}

Status ChildVp::unregister_result(abi::MsrResult const& result)
{
    return msrs_.remove(result.index, result.access);
}

Status ChildVp::cpuid(std::uint32_t flags, std::span<abi::CpuidLeafInfo const> asked,
                      std::span<abi::CpuidValues> values)
try {
    auto leaves = processor_->cpuid();
    if ((flags & abi::cpuid_flag::apply_registered) != 0) leaves = cpuid_.applied_to(std::move(leaves));
    auto const own = [&](abi::RegisterName name) {
        auto const value = vp_.get_register(name);
        return value ? value->low : 0;
    };
    for (std::size_t i = 0; i < asked.size(); ++i) {
        auto leaf = asked[i];
        if ((flags & abi::cpuid_flag::use_vp_xfem_xss) != 0) {
            leaf.xfem = own(abi::RegisterName::Xfem);
            leaf.xss = own(abi::RegisterName::Xss);
        }
        values[i] = find_leaf(leaves, leaf);
    }
    return Status::Success;
} catch (std::bad_alloc const&) {
    return Status::NoResources;
}

/// An intercept comes before what is registered for the MSR, and that before what is for all of them.
MsrAnswer ChildVp::msr_answer(std::uint32_t index, bool is_write) const
{
    if (family_.intercepts.has_msr(is_write)) return MsrAnswer::Intercept;
    auto const action = msrs_.find(index, is_write).value_or(family_.child.child()->unimplemented_msrs.load());
    return action == abi::MsrAction::Fault ? MsrAnswer::Fault : MsrAnswer::Ignore;
}

} // namespace hv
