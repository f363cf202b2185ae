/// What a process may be held to while its exits are measured.
#pragma once

namespace vmm::bench {

enum class Filter {
    Cached,  ///< allows any ioctl(2): the kernel remembers that, and does not run it (Linux 5.11)
    Request, ///< looks at its request, as those of vCPUs do
};

/// Loads a seccomp filter for the calling thread, beside what it has. Throws std::system_error.
void load(Filter filter);

} // namespace vmm::bench
