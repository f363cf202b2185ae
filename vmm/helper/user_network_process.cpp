#include "vmm/helper/user_network_process.hpp"

#include "devices/base/os_error.hpp"
#include "devices/net/user_network_service.hpp"
#include "vmm/helper/spawner.hpp"
#include "vmm/jail/landlock.hpp"
#include "vmm/jail/privileges.hpp"
#include "vmm/jail/seccomp_filter.hpp"

#include <linux/capability.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string_view>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <system_error>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

namespace vmm::helper {

namespace {

namespace net = devices::net;

using jail::Argument;
using jail::SeccompFilter;

constexpr std::string_view resolv_conf = "/etc/resolv.conf";
constexpr int seccomp_stopped_it = 1; // SYS_SECCOMP, as si_code (Linux include/uapi/asm-generic/siginfo.h)

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

/// What libslirp (4.7), glib's allocations and the loop around them call.
SeccompFilter user_network_filter()
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
    filter.allow(SYS_tgkill, {is(0, static_cast<unsigned>(::getpid()))});
    // glib looks what kind of a stream it writes a warning to, and at the time zone.
    filter.refuse(SYS_ioctl, ENOTTY, {is(1, TCGETS)}).refuse(SYS_readlink, EACCES).refuse(SYS_access, EACCES);
    filter.allow_for_sanitizers();
    return filter;
}

/// Stands for openat(2), which the filter lets nobody call: libslirp opens the host's resolv.conf by its name
/// whenever that has changed, and gets it from the process that may open files. The signal comes of the call itself,
/// and so nothing else is under way.
void answer_open(int, siginfo_t* info, void* context)
{
    constexpr int patience_ms = 1000;
    auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    if (info->si_code != seccomp_stopped_it || info->si_syscall != SYS_openat) ::_exit(EXIT_FAILURE);
    registers[REG_RAX] = -EACCES;
    auto const* const path = reinterpret_cast<char const*>(registers[REG_RSI]);
    if (std::string_view{path} != resolv_conf || !send_request(requests_fd, {Wanted::ResolvConf})) return;
    auto answer = receive_answer(requests_fd, patience_ms);
    if (answer && answer->error == 0 && answer->descriptors[0]) registers[REG_RAX] = answer->descriptors[0].release();
}

void answer_opens()
{
    struct ::sigaction action {};
    action.sa_sigaction = answer_open;
    action.sa_flags = SA_SIGINFO;
    if (::sigaction(SIGSYS, &action, nullptr) != 0)
        throw std::system_error{errno, std::generic_category(), "sigaction"};
}

void limit_resources()
{
    jail::limit(RLIMIT_FSIZE, 0);
    jail::limit(RLIMIT_NPROC, 0);
    jail::limit(RLIMIT_MEMLOCK, 0);
    if constexpr (!jail::sanitized) {                   // their shadow takes more
        constexpr rlim_t most_memory = rlim_t{1} << 30; // 1,000 connections have 256 MiB, and segments out of order
        jail::limit(RLIMIT_AS, most_memory);
    }
}

void close_jail()
{
    jail::forbid_new_privileges();
    jail::forbid_dumps();
    jail::drop_capabilities(jail::Capabilities{1} << CAP_NET_RAW); // for pings: see the filter
    limit_resources();
    jail::Landlock{{.tcp = false, .scopes = true}}.restrict_self(); // no file at all
    answer_opens();
    user_network_filter().load();
}

bool has_link()
{
    int type = 0;
    socklen_t size = sizeof type;
    return ::getsockopt(link_socket_fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

int serve(std::span<char* const> arguments)
{
    net::UserNetworkService service{{UniqueFd{link_socket_fd}, UniqueFd{link_memory_fd}}};
    try {
        std::vector<net::PortForward> forwards;
        for (auto const* const text : arguments.subspan(1))
            forwards.push_back(net::parse_port_forward(text));
        if (!service.open(forwards)) return EXIT_FAILURE;
        close_jail();
        service.run();
        return EXIT_SUCCESS;
    } catch (std::exception const& error) {
        service.fail(devices::os_error(error).c_str());
        return EXIT_FAILURE;
    }
}

} // namespace

int run_user_network(std::span<char* const> arguments)
{
    if (arguments.empty() || !has_link()) {
        std::fputs("porthole: a user-mode network is started by 'porthole run --net user', not by hand\n", stderr);
        return 2;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NAME, "porthole-net");
    std::signal(SIGPIPE, SIG_IGN);
    try {
        jail::close_inherited(
            std::array{STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, link_socket_fd, link_memory_fd, requests_fd});
        ::_exit(serve(arguments)); // nothing is worth taking down
    } catch (std::exception const&) {
        ::_exit(EXIT_FAILURE);
    }
}

} // namespace vmm::helper
