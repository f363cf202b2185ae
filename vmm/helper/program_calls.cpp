#include "vmm/helper/program_calls.hpp"

#include "vmm/jail/load_program.hpp"

#include <cstdint>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

namespace vmm::helper {

namespace {

using jail::Argument;
using jail::SeccompFilter;

Argument is(unsigned index, std::uint32_t value)
{
    return Argument::masked(index, 0xFFFF'FFFF, value);
}

} // namespace

void allow_program(SeccompFilter& filter)
{
    constexpr std::uint32_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
    filter.allow({SYS_execve, SYS_arch_prctl, SYS_set_tid_address, SYS_brk, SYS_mmap, SYS_mprotect, SYS_munmap,
                  SYS_mremap, SYS_madvise, SYS_exit, SYS_exit_group});
    filter.allow(SYS_clone, {Argument::masked(0, thread, thread)});
    filter.allow({SYS_set_robust_list, SYS_rseq, SYS_futex, SYS_membarrier, SYS_gettid, SYS_getpid, SYS_sched_yield,
                  SYS_sched_getaffinity, SYS_sched_getscheduler, SYS_sched_getparam});
    filter.allow({SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigtimedwait, SYS_sigaltstack,
                  SYS_signalfd4, SYS_restart_syscall});
    filter.allow(SYS_tgkill, {is(0, jail::this_process)});
    for (auto const option : {PR_SET_NAME, PR_GET_NAME, PR_SET_TIMERSLACK})
        filter.allow(SYS_prctl, {is(0, static_cast<std::uint32_t>(option))});
    filter.allow(SYS_prlimit64, {is(0, 0), Argument::equals(2, 0)}); // asks
    filter.allow({SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_gettimeofday,
                  SYS_getrandom, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_uname, SYS_sysinfo, SYS_getcwd,
                  SYS_chdir});
}

void allow_given_connections(SeccompFilter& filter)
{
    filter.allow({SYS_accept, SYS_accept4, SYS_getsockname, SYS_getpeername, SYS_getsockopt, SYS_setsockopt,
                  SYS_sendmsg, SYS_recvmsg, SYS_recvfrom, SYS_shutdown});
    filter.allow(SYS_sendto, {is(4, 0)});
    filter.allow({SYS_poll, SYS_ppoll, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_wait, SYS_epoll_pwait,
                  SYS_timerfd_create, SYS_timerfd_settime});
}

} // namespace vmm::helper
