#include "hv/child/page_ledger.hpp"

#include <algorithm>
#include <new>

namespace hv {

Status PageLedger::begin_deposit(std::uint64_t page)
try {
    auto const found = chunks_.find(page / pages_per_chunk);
    auto const at = found == chunks_.end() ? Use::Own : found->second->uses[page % pages_per_chunk];
    if (at == Use::Deposited) return Status::OperationDenied;
    if (at == Use::UnderWay) return Status::ObjectInUse;
    if (found == chunks_.end()) chunks_.emplace(page / pages_per_chunk, std::make_unique<Chunk>());
    change(page, Use::UnderWay);
    return Status::Success;
} catch (std::bad_alloc const&) {
    return Status::NoResources;
}

void PageLedger::finish_deposit(std::uint64_t page)
{
    change(page, Use::Deposited);
}

void PageLedger::cancel_deposit(std::uint64_t page)
{
    change(page, Use::Own);
}

void PageLedger::begin_withdrawal(std::uint64_t page)
{
    change(page, Use::UnderWay);
}

void PageLedger::finish_withdrawal(std::uint64_t page)
{
    change(page, Use::Own);
}

bool PageLedger::is_own(std::uint64_t page) const
{
    auto const found = chunks_.find(page / pages_per_chunk);
    return found == chunks_.end() || found->second->uses[page % pages_per_chunk] == Use::Own;
}

bool PageLedger::are_own(std::uint64_t first, std::uint64_t count) const
{
    auto const end = first + count;
    for (auto chunk = chunks_.lower_bound(first / pages_per_chunk); chunk != chunks_.end(); ++chunk) {
        auto const base = chunk->first * pages_per_chunk;
        if (base >= end) return true;
        auto const* const uses = chunk->second->uses.data();
        auto const from = std::max(first, base) - base;
        auto const to = std::min(end - base, pages_per_chunk);
        if (std::any_of(uses + from, uses + to, [](Use use) { return use != Use::Own; })) return false;
    }
    return true;
}

void PageLedger::change(std::uint64_t page, Use use)
{
    auto const found = chunks_.find(page / pages_per_chunk);
    auto& chunk = *found->second;
    auto& at = chunk.uses[page % pages_per_chunk];
    if (at == Use::Own) ++chunk.used;
    if (use == Use::Own) --chunk.used;
    if (at == Use::Deposited) --deposited_;
    if (use == Use::Deposited) ++deposited_;
    at = use;
    if (chunk.used == 0) chunks_.erase(found);
}

} // namespace hv
