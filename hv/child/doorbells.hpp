/// The addresses at which a child's writes ring for its parent (newest, HV_CONNECTION_INFO).
#pragma once

#include "hv/abi/port.hpp"
#include "hv/abi/result.hpp"
#include "hv/abi/types.hpp"
#include "hv/base/sync.hpp"

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>

namespace hv {

/// Which writes ring.
struct DoorbellTrigger {
    std::uint64_t gpa;
    std::uint8_t size;                  ///< bytes: 1, 2, 4 or 8; 0: any
    std::optional<std::uint64_t> value; ///< that is written, as a number; without, any

    /// Nothing for flags that there are not, or an address beyond a child's memory or across two pages.
    [[nodiscard]] static std::optional<DoorbellTrigger> from(abi::DoorbellInfo const& info);

    friend auto operator<=>(DoorbellTrigger const&, DoorbellTrigger const&) = default;
};

/// Changed by VPs of the parent, and asked by those of the child, from any thread. How many there are is bounded by
/// the pool that they are charged to.
class Doorbells {
  public:
    /// InvalidParameter when there is one for these writes; NoResources when the host has no memory.
    [[nodiscard]] Status add(ConnectionId id, DoorbellTrigger const& trigger);
    /// Whether there was one.
    bool remove(ConnectionId id);

    static constexpr std::size_t most_at_once = 4;
    struct Rung {
        std::array<ConnectionId, most_at_once> ids{};
        std::size_t count = 0;
    };
    /// Those that a write rings: for its size or any, and for its value or any.
    [[nodiscard]] Rung rung_by(Gpa gpa, std::span<std::byte const> data) const;

  private:
    mutable Mutex<LockRank::Leaf> lock_; // the rest
    std::map<DoorbellTrigger, ConnectionId> by_trigger_;
    std::map<std::uint32_t, DoorbellTrigger> by_id_;
};

} // namespace hv
