/// The memory pools of children (TLFS 2.0a §7): pages of the parent's that pay for what is kept of a child. The pool
/// of a guest that the user's configuration has made is the user's, and takes no deposits.
#include "hv/hypercall/calls/calls.hpp"
#include "hv/partition/child.hpp"
#include "hv/partition/children.hpp"

namespace hv::calls {

/// HvDepositMemory (§7.3.1; call code 0x0048, rep).
Progress deposit_memory(Caller const& caller, abi::DepositMemoryInput const& in, std::span<std::uint64_t const> pages)
{
    auto const target = caller.target(in.partition);
    if (!target) return {target.status(), 0};
    if (!target->child()) return {Status::OperationDenied, 0};
    auto const progress = target->child()->siblings.deposit(*target, pages);
    return {progress.status, progress.done};
}

/// HvWithdrawMemory (§7.3.2; call code 0x0049, rep). There is one proximity domain, whatever its number is.
Progress withdraw_memory(Caller const& caller, abi::MemoryPoolInput const& in, std::span<std::uint64_t> pages)
{
    auto const target = caller.target(in.partition);
    if (!target) return {target.status(), 0};
    if (!in.proximity.reserved_clear()) return {Status::InvalidParameter, 0};
    if (!target->child()) return {Status::NoResources, 0};
    auto const progress = target->child()->siblings.withdraw(*target, pages);
    return {progress.status, progress.done};
}

/// HvGetMemoryBalance (§7.3.3; call code 0x004A).
Result<abi::GetMemoryBalanceOutput> get_memory_balance(Caller const& caller, abi::MemoryPoolInput const& in)
{
    auto const target = caller.target(in.partition);
    if (!target) return target.status();
    if (!in.proximity.reserved_clear()) return Status::InvalidParameter;
    if (!target->child()) return abi::GetMemoryBalanceOutput{};
    auto const balance = target->child()->siblings.balance(*target);
    return abi::GetMemoryBalanceOutput{balance.available, balance.in_use};
}

} // namespace hv::calls
