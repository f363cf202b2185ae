#include "vmm/helper/user_network_calls.hpp"

#include "vmm/jail/load_program.hpp"
#include "vmm/jail/seccomp_filter.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

namespace vmm::helper {

namespace {

using jail::Argument;
using jail::SeccompFilter;

/// An int is compared by its lower half: what the upper one holds is nobody's.
constexpr Argument is(unsigned index, std::uint64_t value)
{
    return Argument::masked(index, 0xFFFF'FFFF, value);
}

/// libslirp opens and closes, binds and connects sockets of the Internet, and asks for these options.
void allow_sockets(SeccompFilter& filter)
{
    constexpr std::uint64_t type = 0xF; // beside SOCK_CLOEXEC
    for (auto const family : {AF_INET, AF_INET6})
        for (auto const kind : {SOCK_STREAM, SOCK_DGRAM})
            filter.allow(SYS_socket, {is(0, static_cast<unsigned>(family)),
                                      Argument::masked(1, type, static_cast<unsigned>(kind))});
    // Pings, where the user may have no datagram sockets for them.
    filter.allow(SYS_socket, {is(0, AF_INET), Argument::masked(1, type, SOCK_RAW), is(2, IPPROTO_ICMP)});
    filter.refuse(SYS_socket, EAFNOSUPPORT, {is(0, AF_UNIX)}); // if_nametoindex, for a zone in resolv.conf
    struct Option {
        int level;
        int name;
    };
    constexpr std::array options{Option{SOL_SOCKET, SO_OOBINLINE},        Option{SOL_SOCKET, SO_REUSEADDR},
                                 Option{IPPROTO_TCP, TCP_NODELAY},        Option{IPPROTO_IP, IP_TTL},
                                 Option{IPPROTO_IP, IP_RECVERR},          Option{IPPROTO_IPV6, IPV6_RECVERR},
                                 Option{IPPROTO_IPV6, IPV6_UNICAST_HOPS}, Option{IPPROTO_IPV6, IPV6_V6ONLY}};
    for (auto const& option : options)
        filter.allow(SYS_setsockopt,
                     {is(1, static_cast<unsigned>(option.level)), is(2, static_cast<unsigned>(option.name))});
    filter.allow(SYS_getsockopt, {is(1, SOL_SOCKET)});
    filter.allow({SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_connect, SYS_shutdown, SYS_getsockname,
                  SYS_getpeername, SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_recvmsg, SYS_close});
    filter.allow(SYS_ioctl, {is(1, FIONREAD)}).allow(SYS_ioctl, {is(1, FIONBIO)});
    for (auto const command : {F_GETFD, F_SETFD, F_GETFL, F_SETFL})
        filter.allow(SYS_fcntl, {is(1, static_cast<unsigned>(command))});
}

} // namespace

/// What libslirp (4.7), glib's allocations and the loop around them call.
std::vector<std::byte> user_network_program()
{
    SeccompFilter filter;
    allow_sockets(filter);
    filter.allow({SYS_poll, SYS_ppoll, SYS_read, SYS_write, SYS_eventfd2, SYS_clock_gettime, SYS_gettimeofday,
                  SYS_restart_syscall, SYS_rt_sigreturn, SYS_exit_group});
    filter.allow({SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise, SYS_futex}); // memory, never such as can be executed
    for (auto const call : {SYS_mmap, SYS_mprotect})
        filter.allow(static_cast<int>(call), {Argument::masked(2, PROT_EXEC, 0)});
    filter.trap(SYS_openat); // answer_open
    filter.allow({SYS_newfstatat, SYS_fstat, SYS_lseek});
    // abort(), so that it is seen as what it is.
    filter.allow({SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_getpid, SYS_gettid});
    filter.allow(SYS_tgkill, {is(0, jail::this_process)});
    // glib looks what kind of a stream it writes a warning to, and at the time zone.
    filter.refuse(SYS_ioctl, ENOTTY, {is(1, TCGETS)}).refuse(SYS_readlink, EACCES).refuse(SYS_access, EACCES);
    filter.allow_for_sanitizers();
    return filter.program();
}

} // namespace vmm::helper
