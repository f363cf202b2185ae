#include "vmm/helper/watched_program.hpp"

#include "vmm/helper/passing.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace vmm::helper {

namespace {

[[noreturn]] void fail(char const* what)
{
    throw std::system_error{errno, std::generic_category(), what};
}

bool readable(int fd)
{
    pollfd polled{fd, POLLIN, 0};
    return ::poll(&polled, 1, 0) > 0;
}

} // namespace

void WatchedProgram::start(ConfinedProgram program, jail::Landlock& rules)
{
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) fail("pipe2");
    errors_ = UniqueFd{ends[0]};
    UniqueFd const errors{ends[1]};
    ::fcntl(errors.get(), F_SETFL, 0); // its end of them may wait
    said_.clear();
    program.error = errors.get();
    process_ = start_confined(program, rules);
}

WatchedProgram::Became WatchedProgram::await(int client, int wanted)
{
    for (;;) {
        std::array<pollfd, 4> polled{pollfd{client, POLLIN, 0},
                                     {process_->pidfd(), POLLIN, 0},
                                     {wanted, POLLIN, 0},
                                     {errors_.get(), POLLIN, 0}};
        if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) fail("poll");
        if (polled[3].revents != 0) drain_errors();
        if (polled[2].revents != 0) return Became::NotWanted;
        if (polled[1].revents != 0) return Became::Ended;
        if (polled[0].revents == 0) continue;
        if ((polled[0].revents & POLLIN) != 0) return Became::Ready;
        (void)process_->how_it_ended();
        return Became::Ended;
    }
}

bool WatchedProgram::watch(int wanted)
{
    for (;;) {
        std::array<pollfd, 3> polled{
            pollfd{process_->pidfd(), POLLIN, 0}, {wanted, POLLIN, 0}, {errors_.get(), POLLIN, 0}};
        if (::poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) fail("poll");
        if (polled[2].revents != 0) drain_errors();
        if (polled[0].revents != 0) return true;
        if (polled[1].revents == 0) continue;
        let_go();
        return false;
    }
}

/// Its client has gone, or is going: it writes what it has, and ends. One that hangs ends with this process.
void WatchedProgram::let_go()
{
    constexpr int by_itself_ms = 10'000;
    constexpr int told_ms = 20'000;
    if (!process_->ended_within(by_itself_ms).empty()) return;
    ::syscall(SYS_pidfd_send_signal, process_->pidfd(), SIGTERM, nullptr, 0U);
    (void)process_->ended_within(told_ms);
}

/// Bounded, whatever it says: the newest is kept.
void WatchedProgram::drain_errors()
{
    constexpr std::size_t most = 4096;
    std::array<char, 4096> some{};
    auto const size = again_if_interrupted([&] { return ::read(errors_.get(), some.data(), some.size()); });
    if (size <= 0) {
        if (size == 0 || errno != EAGAIN) errors_.reset();
        return;
    }
    said_.append(some.data(), static_cast<std::size_t>(size));
    if (said_.size() > most) said_.erase(0, said_.size() - most);
}

std::string WatchedProgram::how_it_ended()
{
    auto how = process_->how_it_ended();
    while (errors_ && readable(errors_.get()))
        drain_errors();
    return how;
}

} // namespace vmm::helper
