/// Giving a list of system calls to the kernel. Needs no libseccomp: the lists were made when Porthole was built.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace vmm::jail {

/// Stands in a list for the ID of the process that loads it; none has this one (PID_MAX_LIMIT).
inline constexpr std::uint32_t this_process = 0x7FFF'FFFF;

/// `program` consists of sock_filter of <linux/filter.h>. Holds for the calling thread from now on, and for those
/// that it starts, beside what was loaded before. Wants no_new_privs. Throws std::system_error.
void load_program(std::span<std::byte const> program);

/// Whether this kernel has what `load_program` needs.
[[nodiscard]] bool filters_supported();

} // namespace vmm::jail
