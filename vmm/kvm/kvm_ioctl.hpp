/// KVM ioctls during set-up: a failure is a host problem, and the user is told which call it was.
#pragma once

#include "devices/base/os_error.hpp"
#include "vmm/hypervisor/error.hpp"

#include <cerrno>
#include <string>
#include <sys/ioctl.h>

namespace vmm {

/// The message. Where a limit of this process is why, KVM is not to blame.
inline std::string kvm_failure(std::string const& what, int error)
{
    if (devices::is_limit(error)) return "cannot have " + what + ": " + devices::os_error(error);
    return "KVM refused " + what + ": " + devices::os_error(error) + " (porthole doctor says what this KVM can do)";
}

/// Returns what the ioctl returned; throws HypervisorError, with `what` in its message, when that is negative.
template <typename Arg>
int kvm_ioctl(int fd, unsigned long request, Arg argument, char const* what)
{
    for (;;) {
        auto const result = ::ioctl(fd, request, argument);
        if (result >= 0) return result;
        if (errno != EINTR) throw HypervisorError{kvm_failure(what, errno)};
    }
}

inline int kvm_ioctl(int fd, unsigned long request, char const* what)
{
    return kvm_ioctl(fd, request, 0, what);
}

} // namespace vmm
