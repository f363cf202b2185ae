/// A child's guest-physical address space as its parent has mapped it (TLFS 2.0a §8): which page of the parent's lies
/// at which page of the child's, and what the child may do there.
#pragma once

#include "hv/abi/types.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

namespace hv {

/// What a child may do with a mapped page (§8.1.2). To read is to execute: no hypervisor below tells them apart.
enum class GpaAccess : std::uint8_t { None, Read, ReadWrite };

/// Page numbers.
struct GpaRun {
    static constexpr std::uint64_t no_page = ~std::uint64_t{0};

    std::uint64_t page;   ///< the child's first
    std::uint64_t source; ///< the parent's that lies there; no_page without access
    std::uint64_t count;
    GpaAccess access;

    [[nodiscard]] std::uint64_t end() const { return page + count; }
    friend bool operator==(GpaRun const&, GpaRun const&) = default;
};

/// What a change takes away, and what it brings, both ascending; all other runs stay as they were.
struct GpaChange {
    std::vector<GpaRun> removed;
    std::vector<GpaRun> added;
};

/// Runs of neighbours that lie one behind the other in the parent too are one. Not to be used by two threads at once.
class GpaMap {
  public:
    static constexpr std::uint64_t pages = std::uint64_t{1} << 36; ///< how many a child's address space has
    /// The longest run that grows: growing means that it is mapped anew.
    static constexpr std::uint64_t longest_joined = 1 << 15;

    /// Has `sources` lie from `base` on, in place of what was there; with GpaAccess::None, nothing that can be
    /// touched, and only their number counts. All of it lies below `pages`. Throws std::bad_alloc, and has changed
    /// nothing then.
    [[nodiscard]] GpaChange map(std::uint64_t base, std::span<std::uint64_t const> sources, GpaAccess access);
    [[nodiscard]] GpaChange unmap(std::uint64_t base, std::uint64_t count);
    /// Takes back the last change.
    void undo(GpaChange const& change);

    [[nodiscard]] std::optional<GpaRun> find(std::uint64_t page) const;
    [[nodiscard]] std::size_t runs() const { return runs_.size(); }
    /// How many pages with access there are, in all of it or in some runs.
    [[nodiscard]] std::uint64_t reachable() const { return reachable_; }
    [[nodiscard]] static std::uint64_t reachable(std::span<GpaRun const> runs);
    /// Marks those of the parent's pages that lie in it. `sorted` is ascending, and has a mark for each.
    void mark_sources(std::span<std::uint64_t const> sorted, std::vector<bool>& marks) const;
    [[nodiscard]] std::vector<GpaRun> all() const;

  private:
    using Runs = std::map<std::uint64_t, GpaRun>; // by their first pages

    [[nodiscard]] GpaChange replace(std::uint64_t base, std::uint64_t count, std::vector<GpaRun> fresh);
    [[nodiscard]] GpaRun const* ending_at(std::uint64_t page) const;
    void apply(std::span<GpaRun const> removed, std::span<GpaRun const> added);

    Runs runs_;
    std::uint64_t reachable_ = 0;
};

} // namespace hv
