#include "vmm/helper/spawner.hpp"

#include "devices/net/user_network_link.hpp"
#include "vmm/jail/privileges.hpp"

#include <linux/openat2.h>
#include <linux/sched.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <exception>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>

namespace vmm::helper {

namespace {

void kill_process(UniqueFd const& process)
{
    if (process) ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0U);
}

/// Like fork(2), but the child is our parent's, which so hears of its end. For a process of one thread.
long clone_sibling(int& pidfd)
{
    constexpr unsigned long flags = CLONE_PARENT | CLONE_PIDFD | SIGCHLD;
    return ::syscall(SYS_clone, flags, nullptr, &pidfd, nullptr, 0UL);
}

/// Executes the program with these descriptors from link_socket_fd on. Any of them may stand there now.
void execute(int program, std::array<int, 3> descriptors, char* const* arguments)
{
    constexpr int out_of_the_way = 10;
    auto const away = [](int fd) { return ::fcntl(fd, F_DUPFD_CLOEXEC, out_of_the_way); };
    auto const file = away(program);
    for (auto& fd : descriptors)
        fd = away(fd);
    auto place = link_socket_fd;
    for (auto const fd : descriptors)
        if (::dup2(fd, place++) < 0) return;
    ::syscall(SYS_execveat, file, "", arguments, environ, AT_EMPTY_PATH);
}

constexpr int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

/// Whatever its name, and wherever symbolic links lead, it lies below the folder (openat2(2), Linux 5.6). Nothing,
/// and errno, when it does not.
UniqueFd open_boot_file(std::string const& folder, std::string const& name)
{
    UniqueFd const top{::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (!top) return {};
    open_how how{};
    how.flags = static_cast<std::uint64_t>(O_RDONLY | flags);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    return UniqueFd{static_cast<int>(::syscall(SYS_openat2, top.get(), name.c_str(), &how, sizeof how))};
}

void give_null_as_standard_streams()
{
    auto const null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = STDIN_FILENO; null >= 0 && fd <= STDERR_FILENO; ++fd)
        ::dup2(null, fd);
}

} // namespace

Answer Spawner::answer(Request const& request)
{
    if (request.wanted != Wanted::UserNetwork) return {.error = ENOSYS};
    Policy::Key const key{request.guest, request.item};
    auto const found = policy_.networks.find(key);
    if (found == policy_.networks.end()) return {.error = EPERM};
    try {
        auto& running = processes_[key];
        kill_process(running.process);
        auto started = start_(found->second);
        running = {UniqueFd{::fcntl(started.process.get(), F_DUPFD_CLOEXEC, 0)}, std::move(started.requests)};
        return {.error = 0,
                .descriptors = {std::move(started.socket), std::move(started.memory), std::move(started.process)}};
    } catch (std::system_error const& error) {
        return {.error = error.code().value()};
    } catch (std::exception const&) {
        return {.error = ENOMEM};
    }
}

void Spawner::serve(int socket)
{
    for (;;) {
        std::vector<pollfd> polled{{socket, POLLIN, 0}};
        std::vector<std::pair<Policy::Network const*, Running*>> asking;
        for (auto& [key, running] : processes_) {
            if (!running.requests) continue;
            polled.push_back({running.requests.get(), POLLIN, 0});
            asking.emplace_back(&policy_.networks.at(key), &running);
        }
        if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return;
        for (std::size_t i = 0; i < asking.size(); ++i) {
            auto& [network, running] = asking[i];
            auto& requests = running->requests;
            if (polled[i + 1].revents == 0) continue;
            auto const received = receive_request(requests.get());
            if (received.what != Received::What::Message ||
                !send_answer(requests.get(), answer_helper(received, *network)))
                requests.reset(); // it has ended, or may as well
        }
        if (polled[0].revents == 0) continue;
        auto const received = receive_request(socket);
        if (received.what == Received::What::End) return;
        auto const is_request = received.what == Received::What::Message;
        if (!send_answer(socket, is_request ? answer(received.request) : Answer{.error = EINVAL})) return;
    }
}

Answer answer_helper(Received const& asked, Policy::Network const& network, char const* resolv_conf)
{
    UniqueFd file;
    if (asked.request.wanted == Wanted::ResolvConf)
        file = UniqueFd{::open(resolv_conf, O_RDONLY | flags)};
    else if (asked.request.wanted == Wanted::BootFile && !network.files.folder.empty())
        file = open_boot_file(network.files.folder, asked.name);
    else
        return {.error = EPERM};
    if (!file) return {.error = errno};
    struct ::stat about {};
    if (::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) return {.error = EACCES};
    Answer answer;
    answer.descriptors[0] = std::move(file);
    return answer;
}

Spawner::Started start_user_network(int program, Policy::Network const& network)
{
    std::vector<std::string> words{"porthole", user_network_command, network.guest, network.files.folder,
                                   network.files.name};
    for (auto const& forward : network.forwards)
        words.push_back(to_string(forward));
    std::vector<char*> arguments;
    for (auto& word : words)
        arguments.push_back(word.data());
    arguments.push_back(nullptr);
    auto link = devices::net::make_link();
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw std::system_error{errno, std::generic_category(), "socketpair"};
    UniqueFd requests{ends[0]};
    UniqueFd const asks{ends[1]};

    int process = -1;
    auto const child = clone_sibling(process);
    if (child < 0) throw std::system_error{errno, std::generic_category(), "clone"};
    if (child == 0) {
        execute(program, {link.network.socket.get(), link.network.memory.get(), asks.get()}, arguments.data());
        ::_exit(EXIT_FAILURE);
    }
    return {std::move(link.vmm.socket), std::move(link.vmm.memory), UniqueFd{process}, std::move(requests)};
}

/// In a session of its own: no signal of Porthole's terminal comes here, nor to the processes that are started, and
/// none of them can write to it.
void run_spawner(UniqueFd socket, UniqueFd program, Policy policy)
{
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NAME, "porthole-helper");
    ::setsid();
    give_null_as_standard_streams();
    jail::close_inherited(std::array{STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO, socket.get(), program.get()});
    try {
        jail::forbid_new_privileges();
        jail::forbid_dumps();
        Spawner spawner{std::move(policy),
                        [&](Policy::Network const& network) { return start_user_network(program.get(), network); }};
        spawner.serve(socket.get());
    } catch (std::exception const&) { // whoever asks sees that nobody answers
    }
    ::_exit(EXIT_SUCCESS);
}

} // namespace vmm::helper
