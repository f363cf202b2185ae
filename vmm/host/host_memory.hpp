/// How much memory the host can give to a guest.
#pragma once

#include <cstdint>
#include <string_view>

namespace vmm {

/// RAM and swap of the host in bytes, from the text of /proc/meminfo; 0 when it says nothing.
[[nodiscard]] std::uint64_t host_memory(std::string_view meminfo);

/// Throws UserError when `bytes` of guest memory are more than this host has, RAM and swap together.
void check_host_memory(std::uint64_t bytes);

} // namespace vmm
