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

/// Keeps what is loaded apart from each other and from what is not RAM. The kernel claims its place first, because it
/// cannot choose; what is handed over to it goes around it.
class RamClaims {
  public:
    explicit RamClaims(MemoryLayout const& layout) : layout_{layout} {}

    /// Claims `range` for `what` ("the kernel"). Throws UserError when part of it is not RAM, or claimed already.
    void claim(MemoryRange const& range, std::string what);

    [[nodiscard]] bool is_free(MemoryRange const& range) const { return !overlapping(range); }

    /// Claims the highest page-aligned free range of `size` > 0 bytes between 1 MiB and `end` (not included).
    [[nodiscard]] std::optional<MemoryRange> claim_highest(std::uint64_t size, hv::Gpa end, std::string what);

    /// Claims a page-aligned range of `size` > 0 bytes below 4 GiB for what a loader hands over: the lowest that is
    /// free in low RAM, behind its first page, which kernels expect to be used by whoever started them; the highest
    /// that is free elsewhere when a kernel fills low RAM. Throws UserError when there is none.
    [[nodiscard]] MemoryRange claim_boot_data(std::uint64_t size);

  private:
    struct Claim {
        MemoryRange range;
        std::string what;
    };

    [[nodiscard]] Claim const* overlapping(MemoryRange const& range) const;
    [[noreturn]] void refuse_what_is_no_ram(MemoryRange const& range, std::string const& what) const;
    [[nodiscard]] std::optional<MemoryRange> claim_lowest(std::uint64_t size, MemoryRange const& within,
                                                          std::string what);

    MemoryLayout const& layout_;
    std::vector<Claim> claims_;
};

} // namespace vmm
