/// A set of a guest's pages, one bit for each that the guest could have.
#pragma once

#include "hv/base/state.hpp"

#include <cstdint>
#include <vector>

namespace devices::vmbus {

/// Guest-physical pages [first, first + count).
struct PageRange {
    std::uint64_t first = 0;
    std::uint64_t count = 0;

    friend bool operator==(PageRange const&, PageRange const&) = default;
};

/// Takes no memory while nothing was added, and a bit for each page up to the last one then, however they lie.
class PageSet {
  public:
    static constexpr std::uint64_t most_pages = std::uint64_t{1} << 29; ///< 2 TiB: beyond any guest's last page

    /// Ranges lie below `most_pages`.
    void add(PageRange range);
    void remove(PageRange range);
    void clear();

    [[nodiscard]] bool has_any_of(PageRange range) const;
    [[nodiscard]] std::uint64_t size() const { return size_; }
    /// The lowest run of pages, or as much of it as `most` pages; nothing of an empty set.
    [[nodiscard]] PageRange first_run(std::uint64_t most) const;

    /// What was saved is taken as it is, up to `most_pages`.
    void visit(hv::StateVisitor& visitor);

  private:
    template <typename Change>
    void change(PageRange range, Change const& change);

    std::vector<std::uint64_t> words_;
    std::uint64_t size_ = 0;
    std::size_t lowest_ = 0; ///< no word before this one has any
};

} // namespace devices::vmbus
