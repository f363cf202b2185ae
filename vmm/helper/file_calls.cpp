#include "vmm/helper/file_calls.hpp"

#include "vmm/jail/seccomp_filter.hpp"

#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>

namespace vmm::helper {

using jail::Argument;

std::vector<std::byte> file_server_program()
{
    constexpr std::uint32_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
    jail::SeccompFilter filter;
    filter.allow({SYS_recvmsg, SYS_sendmsg, SYS_close});
    filter.allow(SYS_openat, {Argument::masked(2, O_CREAT | O_TRUNC, 0)});
    filter.allow({SYS_openat2, SYS_fstat, SYS_newfstatat, SYS_stat, SYS_lstat, SYS_statx, SYS_readlink, SYS_getcwd,
                  SYS_faccessat, SYS_faccessat2});
    filter.allow(SYS_clone, {Argument::masked(0, thread, thread)}).refuse(SYS_clone3, ENOSYS);
    filter.allow({SYS_set_robust_list, SYS_rseq, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn,
                  SYS_sched_getaffinity, SYS_sched_yield, SYS_gettid, SYS_getpid, SYS_futex, SYS_exit,
                  SYS_exit_group});
    for (auto const call : {SYS_mmap, SYS_mprotect})
        filter.allow(static_cast<int>(call), {Argument::masked(2, PROT_EXEC, 0)});
    filter.allow({SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise});
    filter.allow_for_sanitizers();
    if constexpr (jail::sanitized) filter.allow({SYS_read, SYS_write}); // a pipe tells whether memory can be read
    return filter.program();
}

} // namespace vmm::helper
