#include "devices/vmbus/balloon/page_set.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <limits>

namespace devices::vmbus {

namespace {

constexpr std::uint64_t bits = std::numeric_limits<std::uint64_t>::digits;

/// Calls `visit` with each word's number, and a mask of the range's pages in it.
template <typename Visit>
void for_each_word(PageRange range, Visit const& visit)
{
    auto const end = range.first + range.count;
    for (auto at = range.first; at < end;) {
        auto const from = at % bits;
        auto const count = std::min(bits - from, end - at);
        visit(static_cast<std::size_t>(at / bits), ~std::uint64_t{0} >> (bits - count) << from);
        at += count;
    }
}

} // namespace

template <typename Change>
void PageSet::change(PageRange range, Change const& change)
{
    for_each_word(range, [&](std::size_t number, std::uint64_t mask) {
        auto& word = words_[number];
        auto const before = static_cast<std::uint64_t>(std::popcount(word));
        word = change(word, mask);
        size_ += static_cast<std::uint64_t>(std::popcount(word)) - before;
    });
}

void PageSet::add(PageRange range)
{
    auto const words = static_cast<std::size_t>((range.first + range.count + bits - 1) / bits);
    if (words_.size() < words) words_.resize(words);
    lowest_ = std::min(lowest_, static_cast<std::size_t>(range.first / bits));
    change(range, [](std::uint64_t word, std::uint64_t mask) { return word | mask; });
}

void PageSet::remove(PageRange range)
{
    auto const room = words_.size() * bits;
    if (range.first >= room) return;
    range.count = std::min(range.count, room - range.first);
    change(range, [](std::uint64_t word, std::uint64_t mask) { return word & ~mask; });
    while (lowest_ < words_.size() && words_[lowest_] == 0)
        ++lowest_;
}

void PageSet::clear()
{
    *this = {};
}

bool PageSet::has_any_of(PageRange range) const
{
    bool any = false;
    for_each_word(range, [&](std::size_t number, std::uint64_t mask) {
        any = any || (number < words_.size() && (words_[number] & mask) != 0);
    });
    return any;
}

PageRange PageSet::first_run(std::uint64_t most) const
{
    PageRange run{};
    for (auto number = lowest_; number < words_.size() && run.count < most; ++number) {
        auto const word = words_[number];
        auto const from = run.count == 0 ? static_cast<unsigned>(std::countr_zero(word)) : 0;
        if (from == bits) continue;
        auto const ones = static_cast<unsigned>(std::countr_one(word >> from));
        if (run.count == 0) run.first = number * bits + from;
        run.count += ones;
        if (from + ones < bits) break;
    }
    run.count = std::min(run.count, most);
    return run;
}

void PageSet::visit(hv::StateVisitor& visitor)
{
    std::vector<std::byte> bytes(words_.size() * sizeof(std::uint64_t));
    if (!bytes.empty()) std::memcpy(bytes.data(), words_.data(), bytes.size());
    visitor.blob("pages", bytes, most_pages / 8);
    if (!visitor.restores()) return;
    clear();
    bytes.resize(std::min<std::size_t>(bytes.size(), most_pages / 8) / sizeof(std::uint64_t) * sizeof(std::uint64_t));
    words_.resize(bytes.size() / sizeof(std::uint64_t));
    if (!bytes.empty()) std::memcpy(words_.data(), bytes.data(), bytes.size());
    for (auto const word : words_)
        size_ += static_cast<std::uint64_t>(std::popcount(word));
    remove({}); // finds the lowest
}

} // namespace devices::vmbus
