#include "vmm/jail/load_program.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cerrno>
#include <cstring>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <vector>

namespace vmm::jail {

void load_program(std::span<std::byte const> program)
{
    std::vector<sock_filter> steps(program.size() / sizeof(sock_filter));
    std::memcpy(steps.data(), program.data(), steps.size() * sizeof(sock_filter));
    for (auto& step : steps)
        if (step.code == (BPF_JMP | BPF_JEQ | BPF_K) && step.k == this_process)
            step.k = static_cast<std::uint32_t>(::getpid());
    sock_fprog const filter{static_cast<unsigned short>(steps.size()), steps.data()};
    if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0U, &filter) != 0)
        throw std::system_error{errno, std::generic_category(), "seccomp"};
}

bool filters_supported()
{
    std::uint32_t const action = SECCOMP_RET_KILL_PROCESS; // the youngest of what is used: Linux 4.14
    return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0U, &action) == 0;
}

} // namespace vmm::jail
