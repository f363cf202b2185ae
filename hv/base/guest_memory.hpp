/// Guest-physical memory as the model sees it: a table of host-mapped regions of RAM. It is concrete, not an
/// interface, because every hypercall goes through it; unit tests hand it a plain buffer.
#pragma once

#include "hv/abi/types.hpp"
#include "hv/base/range_table.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

namespace hv {

/// Copies word by word with relaxed atomics: the guest may change the source at the same time, and whatever mixture
/// of old and new arrives is what gets validated. `shared` is guest memory, 8-byte aligned; `size` is in bytes.
void copy_from_shared(void* to, std::byte const* shared, std::size_t size);
void copy_to_shared(std::byte* shared, void const* from, std::size_t size);

/// Changeable while VPs run: whoever looks something up finds the regions of before or those of after. A host address
/// that was found stays good: memory that leaves the guest's map stays mapped until no VP and no device uses it.
class GuestMemory {
  public:
    struct Region {
        Gpa base;
        std::uint64_t size; ///< bytes, a multiple of the page size
        std::byte* host;    ///< page aligned, stays mapped for the life of this object

        friend bool operator==(Region const&, Region const&) = default;
    };

    /// One region more; throws std::logic_error when it overlaps another. Like replace, one caller at a time.
    void add(Region const& region);
    /// These and no others: ascending, without overlaps. One caller at a time, while others look things up.
    void replace(std::span<Region const> regions);

    /// The host address of [gpa, gpa + size), or nullptr unless all of it is RAM in one region. Here as in all that
    /// follows, from any thread.
    [[nodiscard]] std::byte* at(Gpa gpa, std::uint64_t size) const
    {
        auto const region = regions_.find(gpa.value);
        auto const offset = gpa.value - region.first;
        return offset < region.size && size <= region.size - offset ? region.target + offset : nullptr;
    }

    /// All that is there of the region behind `gpa`, this included; empty when it is not RAM.
    [[nodiscard]] std::span<std::byte> from(Gpa gpa) const
    {
        auto const region = regions_.find(gpa.value);
        if (!region.contains(gpa.value)) return {};
        auto const offset = gpa.value - region.first;
        return {region.target + offset, region.size - offset};
    }

    /// The host address of the page at `gpa` (its low 12 bits are ignored), or nullptr when it is not RAM.
    [[nodiscard]] std::byte* page(Gpa gpa) const { return at(Gpa{gpa.value & ~(page_size - 1)}, page_size); }

    /// Copies a structure in, once. False when the range is not RAM. `gpa` is 8-byte aligned.
    template <typename T>
    [[nodiscard]] bool read(Gpa gpa, T& out) const
    {
        static_assert(std::is_trivially_copyable_v<T>);
        auto const* const from = at(gpa, sizeof(T));
        if (!from) return false;
        copy_from_shared(&out, from, sizeof(T));
        return true;
    }

    template <typename T>
    [[nodiscard]] bool write(Gpa gpa, T const& in) const
    {
        static_assert(std::is_trivially_copyable_v<T>);
        auto* const to = at(gpa, sizeof(T));
        if (!to) return false;
        copy_to_shared(to, &in, sizeof(T));
        return true;
    }

    /// As they are now, ascending. For whoever keeps others from changing them meanwhile.
    [[nodiscard]] std::vector<Region> regions() const;

  private:
    RangeTable<std::byte*> regions_;
};

} // namespace hv
