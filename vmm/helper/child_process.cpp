#include "vmm/helper/child_process.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace vmm::helper {

namespace {

constexpr auto of_pidfd = static_cast<idtype_t>(3); ///< P_PIDFD (Linux 5.4)

std::string describe_end(siginfo_t const& info)
{
    if (info.si_code == CLD_EXITED) return "has ended with status " + std::to_string(info.si_status);
    auto const* const name = ::strsignal(info.si_status);
    auto text = "was ended by signal " + std::to_string(info.si_status) + " (" + (name ? name : "unknown") + ")";
    if (info.si_status == SIGSYS) text += ", because it asked the kernel for what it may not";
    return text;
}

} // namespace

ForkedHelper fork_helper(std::function<void(UniqueFd)> const& body)
{
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw std::system_error{errno, std::generic_category(), "socketpair"};
    UniqueFd ours{ends[0]};
    UniqueFd theirs{ends[1]};
    auto const child = ::fork();
    if (child < 0) throw std::system_error{errno, std::generic_category(), "fork"};
    if (child == 0) {
        body(std::move(theirs));
        ::_exit(EXIT_FAILURE);
    }
    UniqueFd pidfd{static_cast<int>(::syscall(SYS_pidfd_open, child, 0U))};
    if (!pidfd) {
        auto const error = errno;
        ::kill(child, SIGKILL);
        ::waitpid(child, nullptr, 0);
        throw std::system_error{error, std::generic_category(), "pidfd_open"};
    }
    return {std::move(ours), std::make_unique<ChildProcess>(std::move(pidfd))};
}

std::string const& ChildProcess::ended_within(int milliseconds)
{
    pollfd polled{pidfd_.get(), POLLIN, 0};
    if (!how_.empty() || ::poll(&polled, 1, milliseconds) <= 0) return how_;
    siginfo_t info{};
    auto const waited = ::waitid(of_pidfd, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG) == 0;
    if (waited && info.si_pid == 0) return how_;
    how_ = waited ? describe_end(info) : "has ended"; // SIGCHLD may be ignored: then nobody knows how
    return how_;
}

std::string ChildProcess::how_it_ended()
{
    constexpr int by_itself_ms = 5000;
    if (!ended_within(by_itself_ms).empty()) return how_;
    kill();
    return "stands still";
}

void ChildProcess::kill()
{
    if (how_.empty()) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0U);
}

/// The host's ports are free again when it has ended; it does so at once, unless the host's kernel hangs.
ChildProcess::~ChildProcess()
{
    constexpr int killed_ms = 5000;
    kill();
    static_cast<void>(ended_within(killed_ms));
}

} // namespace vmm::helper
