#include "devices/block/io_budget.hpp"

#include "hv/base/inspect.hpp"

#include <algorithm>
#include <utility>

namespace devices::block {

bool IoBudget::refuse(Accounts& waiting, Account& account)
{
    ++refusals_;
    if (std::ranges::find(waiting, &account) == waiting.end()) waiting.push_back(&account);
    crowded_.store(!commands_.empty(), std::memory_order_relaxed);
    return false;
}

void IoBudget::add(Account& account, std::uint64_t bytes)
{
    account.used_ += bytes;
    used_ += bytes;
    most_used_ = std::max(most_used_, used_);
}

void IoBudget::tell(std::unique_lock<Lock> lock, bool copies)
{
    auto* const first = commands_.empty() ? nullptr : commands_.front();
    Accounts others;
    if (copies) others.swap(copies_);
    if (first) ++first->calls_;
    for (auto* const account : others)
        ++account->calls_;
    if (!first && others.empty()) return;

    lock.unlock();
    if (first) first->room_();
    for (auto* const account : others)
        account->room_();
    lock.lock();
    if (first) --first->calls_;
    for (auto* const account : others)
        --account->calls_;
    no_calls_.notify_all();
}

IoBudget::Account::~Account()
{
    leave();
    if (used_ != 0) give_back(used_);
}

bool IoBudget::Account::take(std::uint64_t bytes)
{
    auto lock = std::unique_lock{budget_.mutex_};
    auto& waiting = budget_.commands_;
    bool const in_turn = waiting.empty() || waiting.front() == this;
    if (!in_turn || budget_.used_ + bytes > budget_.limit_) return budget_.refuse(waiting, *this);
    budget_.add(*this, bytes);
    if (waiting.empty()) return true;
    waiting.erase(waiting.begin());
    budget_.crowded_.store(!waiting.empty(), std::memory_order_relaxed);
    budget_.tell(std::move(lock), false);
    return true;
}

bool IoBudget::Account::take_fair_share(std::uint64_t bytes)
{
    auto const lock = std::lock_guard{budget_.mutex_};
    auto const free = budget_.limit_ - std::min(budget_.limit_, budget_.used_);
    if (bytes > free || used_ + bytes > free - bytes) return budget_.refuse(budget_.copies_, *this);
    budget_.add(*this, bytes);
    return true;
}

void IoBudget::Account::take_always(std::uint64_t bytes)
{
    auto const lock = std::lock_guard{budget_.mutex_};
    budget_.add(*this, bytes);
}

void IoBudget::Account::give_back(std::uint64_t bytes)
{
    auto lock = std::unique_lock{budget_.mutex_};
    used_ -= bytes;
    budget_.used_ -= bytes;
    budget_.tell(std::move(lock), true);
}

void IoBudget::Account::leave()
{
    auto lock = std::unique_lock{budget_.mutex_};
    std::erase(budget_.copies_, this);
    bool const was_first = !budget_.commands_.empty() && budget_.commands_.front() == this;
    std::erase(budget_.commands_, this);
    budget_.crowded_.store(!budget_.commands_.empty(), std::memory_order_relaxed);
    budget_.no_calls_.wait(lock, [this] { return calls_ == 0; });
    if (was_first) budget_.tell(std::move(lock), false);
}

std::uint64_t IoBudget::used() const
{
    auto const lock = std::lock_guard{mutex_};
    return used_;
}

std::uint64_t IoBudget::most_used() const
{
    auto const lock = std::lock_guard{mutex_};
    return most_used_;
}

void IoBudget::inspect(hv::Inspector& inspector) const
{
    hv::InspectedNode const node{inspector, "io_memory"};
    auto const lock = std::lock_guard{mutex_};
    inspector.number("limit", limit_);
    inspector.number("used", used_);
    inspector.number("most_used", most_used_);
    inspector.number("refusals", refusals_);
    inspector.number("waiting", commands_.size() + copies_.size());
}

} // namespace devices::block
