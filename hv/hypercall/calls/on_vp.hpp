/// Doing something to a VP's registers, wherever that VP is just now.
#pragma once

#include "hv/hypercall/caller.hpp"
#include "hv/vp/virtual_processor.hpp"

namespace hv::calls {

/// Does `work` (a callable that takes the VP and does not throw) as a request to the named VP of `target`, or right
/// here when the caller names itself. InvalidVpIndex when there is none; InvalidPartitionState when the VP's machine
/// does not run, or is being stopped; InvalidRegisterValue when its register page has a value that it cannot have.
template <typename Work>
[[nodiscard]] Status on_vp(Caller const& caller, Partition& target, std::uint32_t index, Work&& work)
{
    Partition::Visit const visit{target};
    bool const own = &target == &caller.partition;
    auto* const vp = own && index == self_vp.value ? &caller.vp : target.vp(VpIndex{index});
    if (!vp) return Status::InvalidVpIndex;

    if (vp == &caller.vp) {
        vp->control().settle();
        work(*vp);
        return Status::Success;
    }
    if (!target.active()) return Status::InvalidPartitionState; // else whoever removes it waits for the visit
    auto status = Status::InvalidPartitionState;
    (void)caller.vp.requests().have_done(vp->requests(), [&] {
        status = vp->begin_visit();
        if (status != Status::Success) return;
        work(*vp);
        vp->end_visit();
    });
    return status;
}

} // namespace hv::calls
