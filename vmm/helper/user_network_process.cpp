#include "vmm/helper/user_network_process.hpp"

#include "devices/base/os_error.hpp"
#include "devices/net/user_network_service.hpp"
#include "vmm/helper/spawner.hpp"
#include "vmm/helper/user_network_calls.hpp"
#include "vmm/jail/landlock.hpp"
#include "vmm/jail/load_program.hpp"
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
#include <string>
#include <string_view>
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

constexpr std::string_view resolv_conf = "/etc/resolv.conf";
constexpr std::size_t first_forward = 3; ///< of the arguments, behind the guest, a folder and a file
constexpr int seccomp_stopped_it = 1;    // SYS_SECCOMP, as si_code (Linux include/uapi/asm-generic/siginfo.h)

/// What the paths of files begin with that the network serves. Empty when it serves none.
std::string& boot_files_prefix()
{
    static std::string prefix;
    return prefix;
}

/// False when that is nothing to be opened here.
bool ask_for(std::string_view path)
{
    auto const& prefix = boot_files_prefix();
    if (path == resolv_conf) return send_request(requests_fd, {Wanted::ResolvConf});
    if (prefix.empty() || !path.starts_with(prefix)) return false;
    return send_request(requests_fd, {Wanted::BootFile}, path.substr(prefix.size()));
}

/// Stands for openat(2), which the filter lets nobody call: libslirp opens the host's resolv.conf by its name
/// whenever that has changed, and files that the guest wants by TFTP. It gets them from the process that may open
/// files. The signal comes of the call itself, and so nothing else is under way.
void answer_open(int, siginfo_t* info, void* context)
{
    constexpr int patience_ms = 1000;
    auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    if (info->si_code != seccomp_stopped_it || info->si_syscall != SYS_openat) ::_exit(EXIT_FAILURE);
    registers[REG_RAX] = -EACCES;
    auto const* const path = reinterpret_cast<char const*>(registers[REG_RSI]);
    if (!ask_for(path)) return;
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
    jail::load_program(built_user_network_program());
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
        net::BootFiles const files{.folder = arguments[1], .name = arguments[2]};
        std::vector<net::PortForward> forwards;
        for (auto const* const text : arguments.subspan(first_forward))
            forwards.push_back(net::parse_port_forward(text));
        if (!files.folder.empty()) boot_files_prefix() = files.folder + "/";
        if (!service.open(forwards, files)) return EXIT_FAILURE;
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
    if (arguments.size() < first_forward || !has_link()) {
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
