#include "vmm/helper/tpm_calls.hpp"

#include "vmm/helper/program_calls.hpp"
#include "vmm/jail/seccomp_filter.hpp"

#include <sys/syscall.h>

namespace vmm::helper {

std::vector<std::byte> tpm_program()
{
    jail::SeccompFilter filter{jail::SeccompFilter::Otherwise::Refuse};
    allow_program(filter);
    allow_given_connections(filter);
    filter.allow({SYS_openat, SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_pwrite64, SYS_lseek,
                  SYS_fsync, SYS_fdatasync, SYS_ftruncate, SYS_fallocate, SYS_close, SYS_fcntl, SYS_flock,
                  SYS_pipe2});
    filter.allow({SYS_rename, SYS_renameat, SYS_renameat2, SYS_unlink, SYS_unlinkat, SYS_fchmod, SYS_umask});
    filter.allow({SYS_stat, SYS_lstat, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_access, SYS_faccessat,
                  SYS_faccessat2, SYS_readlink, SYS_getdents64});
    return filter.program();
}

} // namespace vmm::helper
