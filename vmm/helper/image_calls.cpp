#include "vmm/helper/image_calls.hpp"

#include "vmm/helper/program_calls.hpp"
#include "vmm/jail/seccomp_filter.hpp"

#include <linux/fs.h>

#include <array>
#include <cstdint>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

namespace vmm::helper {

namespace {

using jail::Argument;
using jail::SeccompFilter;

Argument is(unsigned index, std::uint32_t value)
{
    return Argument::masked(index, 0xFFFF'FFFF, value);
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

} // namespace

std::vector<std::byte> image_program()
{
    SeccompFilter filter{SeccompFilter::Otherwise::Refuse};
    allow_program(filter);
    allow_files(filter);
    allow_given_connections(filter);
    return filter.program();
}

} // namespace vmm::helper
