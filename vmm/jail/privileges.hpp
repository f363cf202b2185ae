/// What a process gives up that it does not need: descriptors, capabilities, privileges that a program which it
/// executes would get, and that others of its user look into it.
#pragma once

#include <cstdint>
#include <span>
#include <sys/resource.h>

namespace vmm::jail {

/// Closes each descriptor but those in `kept`, in any order. Threads are not waited for. Linux 5.9; on an older
/// kernel one by one.
void close_inherited(std::span<int const> kept);

/// Neither this process nor what it executes gets more than it has (prctl(2), PR_SET_NO_NEW_PRIVS). What seccomp and
/// landlock want of a process without CAP_SYS_ADMIN. For the calling thread, and those that it starts. Throws
/// std::system_error.
void forbid_new_privileges();

/// No core file is written, and nobody but root may trace it or look at its memory. For the process. Throws
/// std::system_error.
void forbid_dumps();

/// A set of capabilities; bit n is capability n of <linux/capability.h>.
using Capabilities = std::uint64_t;

/// Gives up all capabilities but `kept`, of which it keeps those that it has: permitted, effective, inheritable,
/// ambient, and the bounding set if it may change that. For the calling thread, and those that it starts. Throws
/// std::system_error.
void drop_capabilities(Capabilities kept = 0);

/// Gives up what the bounding set has beside `kept`, if it may: with CAP_SETPCAP, which a user that root becomes has
/// not.
void drop_bounding_capabilities(Capabilities kept);

/// What the calling thread has.
[[nodiscard]] Capabilities effective_capabilities();
/// What it could get by executing a program.
[[nodiscard]] Capabilities bounding_capabilities();

/// Lowers a limit of setrlimit(2), the hard one as well; one that is lower stays. For the process. Throws
/// std::system_error.
void limit(int resource, rlim_t most);

} // namespace vmm::jail
