#include "vmm/helper/image_calls.hpp"

#include "vmm/jail/load_program.hpp"
#include "vmm/jail/seccomp_filter.hpp"

#include <linux/fs.h>

#include <array>
#include <cstdint>
#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
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

/// What landlock leaves of them.
void allow_files(SeccompFilter& filter)
{
    filter.allow(SYS_openat, {Argument::masked(2, O_CREAT, 0)});
    filter.allow({SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_preadv, SYS_pwritev,
                  SYS_lseek, SYS_fsync, SYS_fdatasync, SYS_ftruncate, SYS_fallocate, SYS_fadvise64});
    filter.allow({SYS_stat, SYS_lstat, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_statfs, SYS_fstatfs, SYS_access,
                  SYS_faccessat, SYS_faccessat2, SYS_readlink, SYS_readlinkat, SYS_getdents64});
    filter.allow({SYS_close, SYS_fcntl, SYS_dup, SYS_pipe2, SYS_eventfd2});
    constexpr std::array<std::uint64_t, 10> requests{TCGETS,   BLKGETSIZE64, BLKSSZGET,  BLKPBSZGET, BLKIOMIN,
                                                     BLKIOOPT, BLKDISCARD,   BLKZEROOUT, BLKFLSBUF,  BLKROGET};
    for (auto const request : requests)
        filter.allow(SYS_ioctl, {is(1, static_cast<std::uint32_t>(request))});
}

/// The connection that it is given, and waiting.
void allow_connection(SeccompFilter& filter)
{
    filter.allow({SYS_accept, SYS_accept4, SYS_getsockname, SYS_getpeername, SYS_getsockopt, SYS_setsockopt,
                  SYS_sendmsg, SYS_recvmsg, SYS_recvfrom, SYS_shutdown});
    filter.allow(SYS_sendto, {is(4, 0)});
    filter.allow({SYS_poll, SYS_ppoll, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_wait, SYS_epoll_pwait,
                  SYS_timerfd_create, SYS_timerfd_settime});
}

} // namespace

std::vector<std::byte> image_program()
{
    SeccompFilter filter{SeccompFilter::Otherwise::Refuse};
    allow_program(filter);
    allow_files(filter);
    allow_connection(filter);
    return filter.program();
}

} // namespace vmm::helper
