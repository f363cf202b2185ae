/// The system calls that threads may make, by their roles.
#pragma once

#include "devices/base/thread_role.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace vmm::jail {

/// Requests of ioctl(2) by which a hypervisor is used: numbers of its own.
struct HypervisorRequests {
    std::span<std::uint32_t const> run{};       ///< by a VP's own thread; the one that runs the guest is the first
    std::span<std::uint32_t const> interrupt{}; ///< by the thread of any device; the one made most often is the first
    std::span<std::uint32_t const> build{};     ///< where guests are built, beside these
};

/// What a run may need beside its guests' files and sockets.
struct Needs {
    bool servers = false; ///< disks on NBD servers
};

/// The role's list, for `load_program` (load_program.hpp): sock_filter of <linux/filter.h>, and the same for every
/// process. Any other call raises SIGSYS (violation.hpp).
[[nodiscard]] std::vector<std::byte> program_of(devices::ThreadRole role, HypervisorRequests const& requests,
                                                Needs needs);

} // namespace vmm::jail
