/// Calls about a child that the caller has made by hypercall.
#pragma once

#include "hv/hypercall/caller.hpp"
#include "hv/partition/child.hpp"

namespace hv::calls {

/// Does `work` with those that the child is among, and the child. One that the user's configuration has made is not
/// the parent's to deal with: OperationDenied.
template <typename Work>
[[nodiscard]] Status with_own_child(Caller const& caller, std::uint64_t id, Work work)
{
    auto const target = caller.target(id);
    if (!target) return target.status();
    if (!target->child()) return Status::OperationDenied;
    return work(target->child()->siblings, *target);
}

} // namespace hv::calls
