/// A guest's page tables, walked as a processor does (Intel SDM vol. 3 chapter 4; AMD APM vol. 2 chapter 5), without
/// rights and without marks in them.
#pragma once

#include "hv/abi/types.hpp"
#include "hv/base/guest_memory.hpp"

#include <cstdint>
#include <optional>

namespace hv {

struct PagingRegisters {
    std::uint64_t cr0 = 0;
    std::uint64_t cr3 = 0;
    std::uint64_t cr4 = 0;
    std::uint64_t efer = 0;
};

/// Where a linear address lies; nothing when it is not mapped, or a table is not in `memory`.
[[nodiscard]] std::optional<Gpa> walk(GuestMemory const& memory, PagingRegisters const& registers,
                                      std::uint64_t linear);

} // namespace hv
