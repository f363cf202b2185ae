/// Guest RAM while a kernel is being loaded: who has claimed what, and where to write.
#pragma once

#include "hv/base/guest_memory.hpp"
#include "vmm/base/memory_layout.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace vmm {

/// The host address of a range that the layout says is RAM. Throws std::logic_error when `memory` has another layout.
[[nodiscard]] std::byte* host_address(hv::GuestMemory const& memory, MemoryRange const& range);

/// Keeps what is loaded apart from each other, from the boot area and from what is not RAM.
class RamClaims {
  public:
    explicit RamClaims(MemoryLayout const& layout);

    /// Claims `range` for `what` ("the kernel"). Throws UserError when part of it is not RAM, or claimed already.
    void claim(MemoryRange const& range, std::string what);

    /// Claims the highest page-aligned free range of `size` > 0 bytes between 1 MiB and `end` (not included).
    [[nodiscard]] std::optional<MemoryRange> claim_highest(std::uint64_t size, hv::Gpa end, std::string what);

  private:
    struct Claim {
        MemoryRange range;
        std::string what;
    };

    [[nodiscard]] Claim const* overlapping(MemoryRange const& range) const;

    MemoryLayout const& layout_;
    std::vector<Claim> claims_;
};

} // namespace vmm
