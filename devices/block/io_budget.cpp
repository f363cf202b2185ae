#include "devices/block/io_budget.hpp"

#include "hv/base/inspect.hpp"

#include <algorithm>
#include <utility>

namespace devices::block {

bool IoBudget::Books::refuse(Accounts& waiting, Account& account)
{
    ++refusals_;
    if (std::ranges::find(waiting, &account) == waiting.end()) waiting.push_back(&account);
    note_crowd();
    return false;
}

void IoBudget::Books::add(Account& account, std::uint64_t bytes)
{
    account.entry_.used += bytes;
    used_ += bytes;
    most_used_ = std::max(most_used_, used_);
}

bool IoBudget::Books::take(Account& account, std::uint64_t bytes)
{
    bool const in_turn = commands_.empty() || commands_.front() == &account;
    if (!in_turn || used_ + bytes > limit_) return refuse(commands_, account);
    add(account, bytes);
    if (!commands_.empty()) {
        commands_.erase(commands_.begin());
        note_crowd();
    }
    return true;
}

bool IoBudget::Books::take_fair_share(Account& account, std::uint64_t bytes)
{
    auto const free = limit_ - std::min(limit_, used_);
    if (bytes > free || account.entry_.used + bytes > free - bytes) return refuse(copies_, account);
    add(account, bytes);
    return true;
}

void IoBudget::Books::give_back(Account& account, std::uint64_t bytes)
{
    account.entry_.used -= bytes;
    used_ -= bytes;
}

bool IoBudget::Books::forget(Account& account)
{
    std::erase(copies_, &account);
    bool const was_first = !commands_.empty() && commands_.front() == &account;
    std::erase(commands_, &account);
    note_crowd();
    return was_first;
}

IoBudget::Callees IoBudget::Books::begin_calls(bool copies)
{
    Callees callees;
    if (!commands_.empty()) callees.first = commands_.front();
    if (copies) callees.others.swap(copies_);
    callees.for_each([](Account& account) { ++account.entry_.calls; });
    return callees;
}

void IoBudget::Books::end_calls(Callees const& callees)
{
    callees.for_each([](Account& account) { --account.entry_.calls; });
}

void IoBudget::tell(GuardedBooks::Held& books, bool copies)
{
    auto const callees = books->begin_calls(copies);
    if (callees.nobody()) return;
    books.unlocked([&] { callees.for_each(Books::call); });
    books->end_calls(callees);
    no_calls_.notify_all();
}

IoBudget::Account::~Account()
{
    leave();
    auto books = budget_.books_.lock();
    if (auto const used = books->used(*this); used != 0) {
        books->give_back(*this, used);
        budget_.tell(books, true);
    }
}

bool IoBudget::Account::take(std::uint64_t bytes)
{
    auto books = budget_.books_.lock();
    auto const waited = books->waits_for_command();
    if (!books->take(*this, bytes)) return false;
    if (waited) budget_.tell(books, false);
    return true;
}

bool IoBudget::Account::take_fair_share(std::uint64_t bytes)
{
    return budget_.books_.lock()->take_fair_share(*this, bytes);
}

void IoBudget::Account::take_always(std::uint64_t bytes)
{
    budget_.books_.lock()->add(*this, bytes);
}

void IoBudget::Account::give_back(std::uint64_t bytes)
{
    auto books = budget_.books_.lock();
    books->give_back(*this, bytes);
    budget_.tell(books, true);
}

void IoBudget::Account::leave()
{
    auto books = budget_.books_.lock();
    bool const was_first = books->forget(*this);
    books.wait(budget_.no_calls_, [&] { return !books->is_called(*this); });
    if (was_first) budget_.tell(books, false);
}

std::uint64_t IoBudget::used() const
{
    return books_.lock()->used();
}

std::uint64_t IoBudget::most_used() const
{
    return books_.lock()->most_used();
}

void IoBudget::inspect(hv::Inspector& inspector) const
{
    hv::InspectedNode const node{inspector, "io_memory"};
    books_.lock()->inspect(inspector);
}

void IoBudget::Books::inspect(hv::Inspector& inspector) const
{
    inspector.number("limit", limit_);
    inspector.number("used", used_);
    inspector.number("most_used", most_used_);
    inspector.number("refusals", refusals_);
    inspector.number("waiting", commands_.size() + copies_.size());
}

} // namespace devices::block
