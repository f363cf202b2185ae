#include "vmm/bench/filters.hpp"

#include "vmm/jail/load_program.hpp"
#include "vmm/jail/privileges.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/seccomp.h>

#include <array>
#include <cstddef>
#include <span>
#include <sys/syscall.h>

namespace vmm::bench {

void load(Filter filter)
{
    // Neither refuses anything that this program does: one system call that it never makes is refused.
    std::array cached{sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                      sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_acct, 0, 1),
                      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
                      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    std::array request{sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                       sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 5),
                       sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1])),
                       sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, KVM_RUN, 0, 3),
                       sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)),
                       sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 1),
                       sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                       sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    jail::forbid_new_privileges();
    std::span<std::byte const> const steps = filter == Filter::Cached
                                                 ? std::as_bytes(std::span{cached})
                                                 : std::span<std::byte const>{std::as_bytes(std::span{request})};
    jail::load_program(steps);
}

} // namespace vmm::bench
