/// Which device answers which address of a bus: what port_bus and mmio_bus are made of.
#pragma once

#include "devices/base/guarded.hpp"
#include "hv/base/range_table.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace devices {

/// Two kinds of ranges share the addresses out. Those of fixed devices are claimed for good, and refused where
/// another fixed device is. Those of windows go where the guest puts them, and are never refused: where ranges
/// overlap, a fixed device answers, then the window of the lower number.
///
/// Look-ups come from any thread and take no lock. An access that has found a device may reach it after its range has
/// gone: devices live as long as the map.
template <typename Device>
class BusMap {
  public:
    struct Target {
        Device* device;
        std::uint64_t base; ///< of the device's range, which may begin before the part of it that others leave
    };
    using Table = hv::RangeTable<Target>;

    /// A device's range that moves. Empty at first, and again at the end of its life, which the map outlives.
    class Window {
      public:
        Window() = default;
        Window(BusMap& map, unsigned number) : map_{&map}, number_{number} {}
        Window(Window&& other) noexcept : map_{std::exchange(other.map_, nullptr)}, number_{other.number_} {}
        Window& operator=(Window&& other) noexcept
        {
            std::swap(map_, other.map_);
            std::swap(number_, other.number_);
            return *this;
        }
        ~Window()
        {
            if (map_) map_->remove(number_);
        }

        /// Moves it to [first, first + size), which may end with the last address of all; a size of 0 withdraws it.
        void place(std::uint64_t first, std::uint64_t size) { map_->place(number_, first, size); }
        void withdraw() { place(0, 0); }

      private:
        BusMap* map_ = nullptr;
        unsigned number_ = 0;
    };

    BusMap() = default;
    BusMap(BusMap const&) = delete;
    BusMap& operator=(BusMap const&) = delete;

    /// For good. The device outlives the map. Throws std::logic_error, with both names, when it overlaps another.
    void claim(std::uint64_t first, std::uint64_t size, Device& device, std::string owner)
    {
        owners_.lock()->claim({std::nullopt, first, size, &device, std::move(owner)});
    }

    /// A window for a device, which outlives the map. Throws std::logic_error when there is one of that number.
    [[nodiscard]] Window window(unsigned number, Device& device)
    {
        owners_.lock()->add_window({number, 0, 0, &device, {}});
        return {*this, number};
    }

    /// Whether no range is anywhere, so that a look-up can be spared.
    [[nodiscard]] bool empty() const { return table_.empty(); }
    /// The range that the address lies in, or one that does not contain it.
    [[nodiscard]] typename Table::Range find(std::uint64_t address) const { return table_.find(address); }

  private:
    struct Range {
        std::optional<unsigned> window; ///< its number, or none of a fixed device
        std::uint64_t first;
        std::uint64_t size;
        Device* device;
        std::string owner;

        [[nodiscard]] std::uint64_t last() const { return first + (size - 1); }
    };
    using Ranges = std::vector<Range>;

    /// Who has what; each change makes the table anew.
    class Owners {
      public:
        explicit Owners(Table& table) : table_{table} {}

        void claim(Range range)
        {
            for (auto const& other : ranges_) {
                if (other.window || other.size == 0 || other.last() < range.first || range.last() < other.first)
                    continue;
                throw std::logic_error{"'" + range.owner + "' cannot have the addresses " + text(range) + ": '" +
                                       other.owner + "' has " + text(other)};
            }
            add(std::move(range));
            rebuild();
        }

        void add_window(Range window)
        {
            if (find_window(*window.window) != ranges_.end())
                throw std::logic_error{"two windows of a bus have one number"};
            add(std::move(window));
        }

        void place(unsigned number, std::uint64_t first, std::uint64_t size)
        {
            auto const range = find_window(number);
            if (range->size == size && (size == 0 || range->first == first)) return;
            range->first = first;
            range->size = size;
            rebuild();
        }

        void remove(unsigned number)
        {
            ranges_.erase(find_window(number));
            rebuild();
        }

      private:
        static std::string text(Range const& range)
        {
            char buffer[48];
            std::snprintf(buffer, sizeof buffer, "%#llx-%#llx", static_cast<unsigned long long>(range.first),
                          static_cast<unsigned long long>(range.last()));
            return buffer;
        }

        [[nodiscard]] typename Ranges::iterator find_window(unsigned number)
        {
            return std::ranges::find_if(ranges_, [&](Range const& range) { return range.window == number; });
        }

        /// In the order of who comes first. With room for what each can leave of others, so that moving a window,
        /// which is the guest's doing, needs no memory.
        void add(Range range)
        {
            auto const place = std::ranges::upper_bound(ranges_, range.window, {}, &Range::window);
            auto const most = 2 * (ranges_.size() + 1);
            table_.reserve(most);
            pieces_.reserve(most);
            ranges_.insert(place, std::move(range));
        }

        void rebuild()
        {
            pieces_.clear();
            for (auto const& range : ranges_) {
                if (range.size != 0) add_what_is_left(range);
            }
            table_.replace(pieces_);
        }

        /// What the pieces so far, which ascend, leave of a range.
        void add_what_is_left(Range const& range)
        {
            auto const before = pieces_.size();
            auto first = range.first;
            bool rest = true;
            for (std::size_t n = 0; n < before && rest; ++n) {
                auto const [at, size, target] = pieces_[n];
                auto const last = at + (size - 1);
                if (last < first) continue;
                if (at > range.last()) break;
                if (at > first) pieces_.push_back({first, at - first, {range.device, range.first}});
                rest = last < range.last();
                first = last + 1;
            }
            if (rest) pieces_.push_back({first, range.last() - first + 1, {range.device, range.first}});
            std::ranges::sort(pieces_, {}, &Table::Range::first); // in place: without memory
        }

        Table& table_;
        Ranges ranges_; ///< fixed ones, then windows by their numbers
        std::vector<typename Table::Range> pieces_;
    };

    void place(unsigned number, std::uint64_t first, std::uint64_t size)
    {
        owners_.lock()->place(number, first, size);
    }
    void remove(unsigned number) { owners_.lock()->remove(number); }

    Table table_; ///< its readers take no lock
    Guarded<Owners, LockRank::Leaf> owners_{table_};
};

} // namespace devices
