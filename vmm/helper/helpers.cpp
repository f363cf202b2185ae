#include "vmm/helper/helpers.hpp"

#include "devices/base/os_error.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace vmm::helper {

namespace {

constexpr int patience_ms = 30'000;                 ///< a machine may be busy
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

Policy policy_of(std::span<GuestOptions const> guests)
{
    Policy policy;
    for (std::uint32_t guest = 0; guest < guests.size(); ++guest) {
        auto const& options = guests[guest];
        for (std::uint32_t card = 0; card < options.nets.size(); ++card) {
            auto const& net = options.nets[card];
            if (net.tap.empty()) policy.networks[{guest, card}] = {options.designation(), net.forwards};
        }
    }
    return policy;
}

Helpers::Helpers(Policy policy, char const* program)
{
    if (policy.networks.empty()) return;
    UniqueFd executable{::open(program, O_PATH | O_CLOEXEC)};
    if (!executable) throw std::system_error{errno, std::generic_category(), program};
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw std::system_error{errno, std::generic_category(), "socketpair"};
    socket_ = UniqueFd{ends[0]};
    UniqueFd theirs{ends[1]};
    auto const spawner = ::fork();
    if (spawner < 0) throw std::system_error{errno, std::generic_category(), "fork"};
    if (spawner == 0) run_spawner(std::move(theirs), std::move(executable), std::move(policy));
    UniqueFd pidfd{static_cast<int>(::syscall(SYS_pidfd_open, spawner, 0U))};
    if (!pidfd) {
        auto const error = errno;
        ::kill(spawner, SIGKILL);
        ::waitpid(spawner, nullptr, 0);
        throw std::system_error{error, std::generic_category(), "pidfd_open"};
    }
    spawner_ = std::make_unique<ChildProcess>(std::move(pidfd));
}

Helpers::~Helpers() = default; // the spawner has nothing to finish

std::unique_ptr<devices::net::UserNetwork> Helpers::user_network(std::size_t guest, std::size_t card,
                                                                 devices::net::UserNetwork::Warn warn)
{
    Request const request{Wanted::UserNetwork, static_cast<std::uint32_t>(guest), static_cast<std::uint32_t>(card)};
    std::optional<Answer> answer;
    {
        std::lock_guard const lock{mutex_};
        if (send_request(socket_.get(), request)) answer = receive_answer(socket_.get(), patience_ms);
    }
    if (!answer) throw std::runtime_error{"the process that starts user-mode networks does not answer"};
    auto& [error, descriptors] = *answer;
    if (error != 0)
        throw std::runtime_error{"cannot start the process of a user-mode network: " + devices::os_error(error)};
    auto process = std::make_unique<ChildProcess>(std::move(descriptors[2]));
    return std::make_unique<devices::net::UserNetwork>(
        devices::net::LinkEnd{std::move(descriptors[0]), std::move(descriptors[1])}, std::move(process),
        std::move(warn));
}

bool ChildProcess::await_end(int milliseconds)
{
    if (!how_.empty()) return true;
    pollfd polled{pidfd_.get(), POLLIN, 0};
    if (::poll(&polled, 1, milliseconds) <= 0) return false;
    siginfo_t info{};
    auto const waited = ::waitid(of_pidfd, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG) == 0;
    if (waited && info.si_pid == 0) return false;
    how_ = waited ? describe_end(info) : "has ended"; // SIGCHLD may be ignored: then nobody knows how
    return true;
}

std::string ChildProcess::how_it_ended()
{
    constexpr int by_itself_ms = 5000;
    if (await_end(by_itself_ms)) return how_;
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
    static_cast<void>(await_end(killed_ms));
}

} // namespace vmm::helper
