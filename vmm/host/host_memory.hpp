/// How much memory the host can give to guests.
#pragma once

#include "vmm/options/run_options.hpp"

#include <cstdint>
#include <span>
#include <string_view>

namespace vmm {

/// RAM and swap of the host in bytes, from the text of /proc/meminfo; 0 when it says nothing.
[[nodiscard]] std::uint64_t host_memory(std::string_view meminfo);

/// Whether the host's owner has it give out more memory than it has (vm.overcommit_memory=1).
[[nodiscard]] bool host_overcommits();

/// Throws UserError when all guests' memory is more than this host has, RAM and swap together, and it must not be.
void check_host_memory(std::span<GuestOptions const> guests, bool overcommit = host_overcommits());

} // namespace vmm
