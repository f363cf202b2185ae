#include "vmm/jail/thread_calls.hpp"

#include "vmm/jail/load_program.hpp"
#include "vmm/jail/seccomp_filter.hpp"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/seccomp.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>

namespace vmm::jail {

namespace {

using devices::ThreadRole;

constexpr std::array<std::uint32_t, 2> card_requests{TUNSETOFFLOAD, TUNSETQUEUE}; // a card's driver comes or goes
constexpr std::array<std::uint32_t, 3> terminal_requests{TCGETS, TCSETS, TIOCGPGRP};
constexpr std::array<std::uint32_t, 3> disk_requests{BLKGETSIZE64, BLKSSZGET, BLKPBSZGET};

/// An int, or a word of flags: the kernel looks at its lower half alone.
Argument is(unsigned index, std::uint32_t value)
{
    return Argument::masked(index, 0xFFFF'FFFF, value);
}
Argument lacks(unsigned index, std::uint32_t flags)
{
    return Argument::masked(index, flags, 0);
}

void allow_requests(SeccompFilter& filter, std::span<std::uint32_t const> requests)
{
    for (auto const request : requests)
        filter.allow(SYS_ioctl, {is(1, request)}); // as an int, or as a long: it is the same to the kernel
}

/// How the terminal is given back: also by a thread that crashes, or makes a call that its jail does not allow.
void terminal(SeccompFilter& filter)
{
    allow_requests(filter, terminal_requests);
    filter.allow({SYS_getpgrp, SYS_rt_sigaction});
}

/// What the C and C++ libraries do for any thread, and the loop of any service.
void any_thread(SeccompFilter& filter)
{
    // Memory, none of which can be executed.
    filter.allow(SYS_mmap, {lacks(2, PROT_EXEC)}).allow(SYS_mprotect, {lacks(2, PROT_EXEC)});
    filter.allow({SYS_munmap, SYS_madvise, SYS_brk, SYS_mremap});
    // Other threads, time (where the vDSO does not know it), and the end.
    filter.allow({SYS_futex, SYS_sched_yield, SYS_clock_gettime, SYS_clock_nanosleep, SYS_restart_syscall, SYS_exit,
                  SYS_exit_group});
    filter.allow({SYS_getpid, SYS_gettid, SYS_rt_sigprocmask, SYS_rt_sigreturn});
    filter.allow(SYS_tgkill, {is(0, this_process)}); // kicks of vCPUs; abort(3)
    // Descriptors that are there; frames and whole messages are gathered.
    filter.allow({SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_close, SYS_poll});
    // Which limit was reached, for a line that says so.
    filter.allow(SYS_prlimit64, {is(0, 0), Argument::equals(2, 0)});
    filter.allow(SYS_prctl, {is(0, PR_GET_NAME)}); // of whom a violation tells
    terminal(filter);
    filter.allow_for_sanitizers();
}

/// A device's answer: an interrupt, a task for another thread, a request of a disk's ring, a timer.
void device_thread(SeccompFilter& filter, HypervisorRequests const& requests)
{
    any_thread(filter);
    allow_requests(filter, requests.interrupt);
    filter.allow({SYS_epoll_ctl, SYS_timerfd_settime, SYS_io_uring_enter});
    // An image in the page cache, and whether its file is as large as it was.
    filter.allow({SYS_pread64, SYS_preadv, SYS_preadv2, SYS_pwrite64, SYS_pwritev, SYS_fdatasync, SYS_lseek});
    // A frame for a user-mode network, bytes for a guest's socket. To whom the socket is connected.
    filter.allow(SYS_sendto, {is(4, 0)});
    filter.allow({SYS_recvfrom, SYS_sendmsg, SYS_recvmsg, SYS_shutdown});
}

void vcpu(SeccompFilter& filter, HypervisorRequests const& requests)
{
    device_thread(filter, requests);
    allow_requests(filter, requests.run);
    filter.allow({SYS_timer_create, SYS_timer_settime, SYS_timer_delete});
    allow_requests(filter, card_requests);
}

/// Virtual machines and vCPUs, and an end to them.
void builder(SeccompFilter& filter, HypervisorRequests const& requests)
{
    vcpu(filter, requests);
    allow_requests(filter, requests.build);
}

void events(SeccompFilter& filter, HypervisorRequests const& requests)
{
    vcpu(filter, requests); // a channel's device is called here as well
    filter.allow(SYS_ioctl, {is(1, FIONBIO)});
    filter.allow(SYS_socket, {is(0, AF_UNIX)}); // a guest's connection to a program of the host's
    filter.allow({SYS_connect, SYS_accept, SYS_accept4, SYS_epoll_wait, SYS_fcntl}); // which one is asio's choice
}

void tap(SeccompFilter& filter, HypervisorRequests const& requests)
{
    device_thread(filter, requests);
    filter.allow({SYS_epoll_wait});
}

void relay(SeccompFilter& filter, HypervisorRequests const& requests)
{
    device_thread(filter, requests);
    filter.allow(SYS_socket, {is(0, AF_UNIX)});
    filter.allow({SYS_connect, SYS_accept4, SYS_epoll_wait});
}

/// An address by its name, and a stream to it: getaddrinfo(3), libnbd and GnuTLS.
void client(SeccompFilter& filter)
{
    filter.allow(SYS_openat, {lacks(2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)});
    filter.allow({SYS_fstat, SYS_newfstatat, SYS_lseek, SYS_access}); // fstat(2): glibc since 2.39
    filter.allow({SYS_readlink, SYS_faccessat2});                     // realpath(3)
    filter.allow({SYS_getdents64});                                   // a folder of certificates
    for (auto const family : {AF_INET, AF_INET6, AF_UNIX, AF_NETLINK})
        filter.allow(SYS_socket, {is(0, static_cast<std::uint32_t>(family))});
    filter.allow({SYS_connect, SYS_bind, SYS_getsockname, SYS_getsockopt, SYS_setsockopt, SYS_fcntl, SYS_sendto,
                  SYS_sendmmsg, SYS_uname});
    // Where a user's certificates are, and whether they hold now (where there is no vDSO); random numbers.
    filter.allow({SYS_getuid, SYS_geteuid, SYS_time, SYS_getrandom});
    filter.allow(SYS_ioctl, {is(1, FIONREAD)});
}

void nbd_client(SeccompFilter& filter, HypervisorRequests const& requests)
{
    device_thread(filter, requests);
    client(filter);
}

void user_network(SeccompFilter& filter, HypervisorRequests const& requests)
{
    device_thread(filter, requests);
    filter.allow({SYS_waitid, SYS_pidfd_send_signal}); // of its helper
}

/// libvncserver, whose clients have been given to it; keys and pointers interrupt the guest.
void display(SeccompFilter& filter, HypervisorRequests const& requests)
{
    device_thread(filter, requests);
    filter.allow({SYS_accept4, SYS_select, SYS_pselect6, SYS_fcntl, SYS_getsockname, SYS_getpeername, SYS_getrandom});
    filter.allow(SYS_setsockopt, {is(1, IPPROTO_TCP)});
    filter.allow(SYS_ioctl, {is(1, FIONBIO)});
}

/// Sockets that it has, and no guest to interrupt.
void tpm(SeccompFilter& filter)
{
    any_thread(filter);
    filter.allow(SYS_sendto, {is(4, 0)});
    filter.allow({SYS_recvfrom, SYS_recvmsg});
}

/// Threads alone: with clone3(2), whose flags no filter can see, glibc does without.
void new_threads(SeccompFilter& filter)
{
    constexpr std::uint32_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
    filter.allow(SYS_clone, {Argument::masked(0, thread, thread)});
    filter.refuse(SYS_clone3, ENOSYS);
    filter.allow({SYS_set_robust_list, SYS_rseq, SYS_sched_getscheduler, SYS_sched_getparam, SYS_seccomp,
                  SYS_landlock_restrict_self, SYS_capget, SYS_capset});
    for (auto const option : {PR_SET_NAME, PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_CAP_AMBIENT}) // what it gives up
        filter.allow(SYS_prctl, {is(0, static_cast<std::uint32_t>(option))});
}

/// Files are opened by another process, which is asked over a socket.
void opener(SeccompFilter& filter, HypervisorRequests const& requests, Needs needs)
{
    device_thread(filter, requests);
    if (needs.servers) client(filter);
    new_threads(filter);
    filter.allow(SYS_socketpair, {is(0, AF_UNIX)});
    filter.allow({SYS_fstat, SYS_newfstatat, SYS_statfs, SYS_fstatfs, SYS_eventfd2, SYS_fcntl, SYS_fsync});
    filter.allow({SYS_io_uring_setup, SYS_io_uring_register});
    filter.allow({SYS_waitid}); // how that process has ended
    allow_requests(filter, disk_requests);
}

/// Builds, starts and ends guests: what all the others do, since they begin with its filter, and more.
void session(SeccompFilter& filter, HypervisorRequests const& requests, Needs needs)
{
    events(filter, requests);
    relay(filter, requests);
    opener(filter, requests, needs);
    user_network(filter, requests);
    allow_requests(filter, requests.build);
    filter.allow({SYS_epoll_create1, SYS_timerfd_create, SYS_pipe2, SYS_memfd_create, SYS_ftruncate, SYS_fallocate,
                  SYS_bind, SYS_listen, SYS_fchmod, SYS_unlink, SYS_unlinkat, SYS_sysinfo});
    filter.allow({SYS_getrandom}); // a new generation ID
    // Where a disk lies that is to be added: realpath(3).
    filter.allow({SYS_stat, SYS_lstat, SYS_statx, SYS_readlink, SYS_getcwd, SYS_faccessat, SYS_faccessat2});
    filter.allow(SYS_ioctl, {is(1, TUNSETIFF)});
    filter.allow(SYS_ioctl, {is(1, TUNSETVNETHDRSZ)});
    filter.allow(SYS_ioctl, {is(1, TIOCGPTN)});
}

SeccompFilter calls_of(ThreadRole role, HypervisorRequests const& requests, Needs needs)
{
    SeccompFilter filter{SeccompFilter::Otherwise::Trap};
    switch (role) {
    case ThreadRole::Session: session(filter, requests, needs); break;
    case ThreadRole::Events: events(filter, requests); break;
    case ThreadRole::Vcpu: vcpu(filter, requests); break;
    case ThreadRole::NbdClient: nbd_client(filter, requests); break;
    case ThreadRole::Opener: opener(filter, requests, needs); break;
    case ThreadRole::Relay: relay(filter, requests); break;
    case ThreadRole::DiskRing: device_thread(filter, requests); break;
    case ThreadRole::Tap: tap(filter, requests); break;
    case ThreadRole::UserNetwork: user_network(filter, requests); break;
    case ThreadRole::Display: display(filter, requests); break;
    case ThreadRole::LineWriter: any_thread(filter); break;
    case ThreadRole::Builder: builder(filter, requests); break;
    case ThreadRole::Tpm: tpm(filter); break;
    }
    return filter;
}

/// Running the guest and interrupting it, of which there may be a million a second, come before libseccomp's search
/// for the call's number and request, which takes about fifty steps. `requests` is not empty.
std::vector<sock_filter> first_of_all(std::span<std::uint32_t const> requests)
{
    auto const count = static_cast<std::uint8_t>(requests.size());
    auto const other_call = static_cast<std::uint8_t>(count + 4); // steps from the second to what libseccomp made
    std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                                     BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, other_call),
                                     BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, args[1]))};
    for (std::uint8_t left = count; left > 0; --left) {
        auto const found = static_cast<std::uint8_t>(left - 1);
        auto const other = static_cast<std::uint8_t>(left == 1 ? 3 : 0);
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, requests[count - left], found, other));
    }
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, arch)));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    return program;
}

} // namespace

std::vector<std::byte> program_of(ThreadRole role, HypervisorRequests const& requests, Needs needs)
{
    auto program = calls_of(role, requests, needs).program();
    std::vector<std::uint32_t> often;
    bool const runs_guests = role == ThreadRole::Vcpu || role == ThreadRole::Session; // and whom it starts
    if (runs_guests && !requests.run.empty()) often.push_back(requests.run.front());
    bool const interrupts = role != ThreadRole::LineWriter && role != ThreadRole::Tpm;
    if (interrupts && !requests.interrupt.empty()) often.push_back(requests.interrupt.front());
    if (often.empty()) return program;
    auto const first = first_of_all(often);
    auto const bytes = std::as_bytes(std::span{first});
    program.insert(program.begin(), bytes.begin(), bytes.end());
    return program;
}

} // namespace vmm::jail
