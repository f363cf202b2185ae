/// Doing something with a VP of a child that the caller has made by hypercall.
#pragma once

#include "hv/hypercall/calls/on_vp.hpp"
#include "hv/hypercall/calls/own_child.hpp"
#include "hv/partition/child_vp.hpp"
#include "hv/partition/children.hpp"

namespace hv::calls {

/// Does `work`, which does not throw, with the VP, on its thread.
template <typename Work>
[[nodiscard]] Status on_child_vp(Caller const& caller, std::uint64_t id, std::uint32_t index, Work const& work)
{
    return with_own_child(caller, id, [&](Children& all, Partition& child) {
        if (!child.active()) return Status::InvalidPartitionState;
        auto status = Status::InvalidVpIndex;
        auto const reached = on_vp(caller, child, index, [&](VirtualProcessor& vp) {
            auto* const own = all.find_vp(child, vp.index());
            if (own) status = work(*own);
        });
        return reached == Status::Success ? status : reached;
    });
}

} // namespace hv::calls
