/// Sets of pages, by their numbers, kept as runs of neighbours.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>

namespace vmm {

class PageRuns {
  public:
    /// Throws std::bad_alloc.
    void add(std::uint64_t first, std::uint64_t count = 1);
    /// Throws std::bad_alloc when a run is split.
    void remove(std::uint64_t first, std::uint64_t count = 1);

    [[nodiscard]] bool intersects(std::uint64_t first, std::uint64_t count) const;
    /// How many runs there are.
    [[nodiscard]] std::size_t size() const { return runs_.size(); }
    /// By their first pages: how many. No two touch.
    [[nodiscard]] std::map<std::uint64_t, std::uint64_t> const& all() const { return runs_; }

    /// Calls `step(first, count)` for each run of those pages that are not in the set, ascending.
    template <typename Step>
    void for_each_gap(std::uint64_t first, std::uint64_t count, Step const& step) const
    {
        auto const end = first + count;
        auto at = reaching(first);
        while (first < end) {
            auto const next = at == runs_.end() ? end : std::clamp(at->first, first, end);
            if (next > first) step(first, next - first);
            if (at == runs_.end()) return;
            first = at->first + at->second;
            ++at;
        }
    }

  private:
    using Runs = std::map<std::uint64_t, std::uint64_t>;

    /// The first run that ends behind `page`.
    [[nodiscard]] Runs::const_iterator reaching(std::uint64_t page) const;

    Runs runs_;
};

} // namespace vmm
