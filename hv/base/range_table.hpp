/// Ranges of addresses, each with something behind it, that any thread may look up while another replaces them all.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

namespace hv {

/// A look-up takes no lock, writes nothing that others share, and never waits for a writer: it is on the path of each
/// hypercall and each exit. `Target` is a word or a few, such as a pointer.
///
/// There are two copies. A writer fills the one that is not in use and then puts it in the place of the other; before
/// it fills anything it counts up the version. A reader that finds the version of before after its look-up has not
/// seen a copy that was being filled meanwhile; otherwise it looks again. Copies are made of atomic words and are
/// never freed before the table, so that a reader may well have looked at one being filled. That costs a reader one
/// load and a comparison; counting readers, or waiting for them, would cost more or need to know who they are.
template <typename Target>
class RangeTable {
    static_assert(std::is_trivially_copyable_v<Target> && sizeof(Target) % sizeof(std::uint64_t) == 0);

  public:
    struct Range {
        std::uint64_t first;
        std::uint64_t size;
        Target target;

        /// Whether the address lies in it. In an empty range: no.
        [[nodiscard]] bool contains(std::uint64_t address) const { return address - first < size; }
        friend bool operator==(Range const&, Range const&) = default;
    };

    RangeTable() = default;
    RangeTable(RangeTable const&) = delete;
    RangeTable& operator=(RangeTable const&) = delete;

    /// The range that the address lies in, or one that does not contain it. From any thread.
    [[nodiscard]] Range find(std::uint64_t address) const
    {
        for (;;) {
            auto const version = version_.load(std::memory_order_acquire);
            auto const range = current_.load(std::memory_order_acquire)->find(address);
            std::atomic_thread_fence(std::memory_order_acquire);
            if (version_.load(std::memory_order_relaxed) == version) [[likely]]
                return range;
        }
    }

    /// Whether nothing is there. From any thread.
    [[nodiscard]] bool empty() const { return current_.load(std::memory_order_acquire)->empty(); }

    /// All that is there, ascending. For whoever keeps others from replacing it meanwhile.
    [[nodiscard]] std::vector<Range> all() const { return current_.load(std::memory_order_acquire)->all(); }

    /// Makes room for so many ranges: replacing everything by no more than these never throws.
    void reserve(std::size_t count)
    {
        if (spare_->capacity() < count) grow(count);
        if (in_use_->capacity() >= count) return;
        replace(all());
        grow(count);
    }

    /// Replaces everything. The ranges ascend, none is empty and none overlaps another. One caller at a time; throws
    /// std::bad_alloc, and has changed nothing then.
    void replace(std::span<Range const> ranges)
    {
        if (spare_->capacity() < ranges.size()) grow(ranges.size());
        version_.store(version_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
        std::atomic_thread_fence(std::memory_order_release); // the version before what is filled in now
        spare_->fill(ranges);
        current_.store(spare_.get(), std::memory_order_release);
        std::swap(in_use_, spare_);
    }

  private:
    class Copy {
      public:
        explicit Copy(std::size_t capacity)
            : entries_{std::make_unique<Entry[]>(std::max<std::size_t>(capacity, 1))}, capacity_{capacity}
        {}

        [[nodiscard]] std::size_t capacity() const { return capacity_; }
        [[nodiscard]] bool empty() const { return count_.load(std::memory_order_relaxed) == 0; }

        /// By halves, without a branch that depends on the address. In an empty copy the first entry is of size 0.
        [[nodiscard]] Range find(std::uint64_t address) const
        {
            auto const* entry = entries_.get();
            for (auto left = count_.load(std::memory_order_relaxed); left > 1;) {
                auto const half = left / 2;
                entry += entry[half].first.load(std::memory_order_relaxed) <= address ? half : 0;
                left -= half;
            }
            return entry->load();
        }

        [[nodiscard]] std::vector<Range> all() const
        {
            std::vector<Range> ranges;
            for (std::size_t n = 0; n < count_.load(std::memory_order_relaxed); ++n)
                ranges.push_back(entries_[n].load());
            return ranges;
        }

        void fill(std::span<Range const> ranges)
        {
            if (ranges.empty()) entries_[0].store({0, 0, {}});
            for (std::size_t n = 0; n < ranges.size(); ++n)
                entries_[n].store(ranges[n]);
            count_.store(ranges.size(), std::memory_order_relaxed);
        }

      private:
        struct Entry {
            using Words = std::array<std::uint64_t, sizeof(Target) / sizeof(std::uint64_t)>;

            std::atomic<std::uint64_t> first{0};
            std::atomic<std::uint64_t> size{0};
            std::array<std::atomic<std::uint64_t>, std::tuple_size_v<Words>> target{};

            [[nodiscard]] Range load() const
            {
                Words words{};
                for (std::size_t n = 0; n < words.size(); ++n)
                    words[n] = target[n].load(std::memory_order_relaxed);
                return {first.load(std::memory_order_relaxed), size.load(std::memory_order_relaxed),
                        std::bit_cast<Target>(words)};
            }
            void store(Range const& range)
            {
                first.store(range.first, std::memory_order_relaxed);
                size.store(range.size, std::memory_order_relaxed);
                auto const words = std::bit_cast<Words>(range.target);
                for (std::size_t n = 0; n < words.size(); ++n)
                    target[n].store(words[n], std::memory_order_relaxed);
            }
        };

        std::unique_ptr<Entry[]> const entries_;
        std::size_t const capacity_;
        std::atomic<std::size_t> count_{0};
    };

    /// Puts a copy with room for so many in the place of the one that is not in use. That one stays: a reader may be
    /// in it. Each has at least twice the room of the last, so that those that stay are few.
    void grow(std::size_t count)
    {
        auto larger = std::make_unique<Copy>(std::max(count, 2 * spare_->capacity()));
        outgrown_.push_back(std::move(spare_));
        spare_ = std::move(larger);
    }

    std::atomic<std::uint64_t> version_{0};
    std::unique_ptr<Copy> in_use_{std::make_unique<Copy>(2)};
    std::unique_ptr<Copy> spare_{std::make_unique<Copy>(2)};
    std::vector<std::unique_ptr<Copy>> outgrown_;
    std::atomic<Copy const*> current_{in_use_.get()};
};

} // namespace hv
