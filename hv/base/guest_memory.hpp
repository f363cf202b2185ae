/// Guest-physical memory as the model sees it: a short table of host-mapped regions. It is concrete, not an
/// interface because every hypercall goes through it; unit tests hand it a plain buffer.
#pragma once

#include "hv/abi/types.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace hv {

/// Copies word by word with relaxed atomics: the guest may change the source at the same time, and whatever mixture
/// of old and new arrives is what gets validated. `shared` is guest memory, 8-byte aligned; `size` is in bytes.
void copy_from_shared(void* to, std::byte const* shared, std::size_t size);
void copy_to_shared(std::byte* shared, void const* from, std::size_t size);

class GuestMemory {
  public:
    struct Region {
        Gpa base;
        std::uint64_t size; ///< bytes, a multiple of the page size
        std::byte* host;    ///< page aligned, stays mapped for the life of this object
    };

    static constexpr std::size_t max_regions = 8;

    /// Called while the partition is built, before any VP runs.
    void add(Region const& region);

    /// The host address of [gpa, gpa + size), or nullptr unless all of it is RAM in one region.
    [[nodiscard]] std::byte* at(Gpa gpa, std::uint64_t size) const
    {
        for (auto const& r : regions()) {
            auto const offset = gpa.value - r.base.value;
            if (offset < r.size && size <= r.size - offset) return r.host + offset;
        }
        return nullptr;
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

    [[nodiscard]] std::span<Region const> regions() const { return {regions_.data(), count_}; }

  private:
    std::array<Region, max_regions> regions_{};
    std::size_t count_ = 0;
};

} // namespace hv
