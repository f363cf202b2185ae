/// The lists of thread_calls.hpp for KVM, made when Porthole was built (vmm/lists).
#pragma once

#include "vmm/jail/thread_calls.hpp"

#include <cstddef>
#include <span>
#include <string_view>

namespace vmm::jail {

[[nodiscard]] std::span<std::byte const> thread_program(devices::ThreadRole role, Needs needs);

/// Of a system call; "unknown" for one that libseccomp does not know. For a signal handler as well.
[[nodiscard]] std::string_view call_name(int call);

} // namespace vmm::jail
