#include "vmm/console/terminal.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

namespace vmm {

namespace {

constexpr std::array endings{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
constexpr std::array crashes{SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};

// What a signal handler needs. `found` is written before `raw_fd` says that it holds something.
std::atomic<int> raw_fd{-1};
static_assert(std::atomic<int>::is_always_lock_free);
termios found{};
std::array<struct sigaction, NSIG> former{};

bool may_use(int fd)
{
    auto const group = ::tcgetpgrp(fd);
    return group < 0 || group == ::getpgrp(); // an error: not the controlling terminal, so no job control
}

extern "C" void give_back_and_go_on(int signal)
{
    auto const saved_errno = errno;
    Terminal::restore();
    ::sigaction(signal, &former[static_cast<std::size_t>(signal)], nullptr);
    ::raise(signal); // blocked until this returns
    errno = saved_errno;
}

void handle(int signal, bool only_if_default)
{
    auto& before = former[static_cast<std::size_t>(signal)];
    if (::sigaction(signal, nullptr, &before) != 0) return;
    bool const taken = (before.sa_flags & SA_SIGINFO) != 0 || before.sa_handler != SIG_DFL;
    if (before.sa_handler == give_back_and_go_on || (only_if_default && taken)) return;

    struct sigaction ours {};
    ours.sa_handler = give_back_and_go_on;
    ours.sa_flags = SA_ONSTACK;
    ::sigemptyset(&ours.sa_mask);
    ::sigaction(signal, &ours, nullptr);
}

void stop_handling(int signal)
{
    struct sigaction now {};
    if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == give_back_and_go_on)
        ::sigaction(signal, &former[static_cast<std::size_t>(signal)], nullptr);
}

void restore_at_exit()
{
    static bool const registered = std::atexit([] { Terminal::restore(); }) == 0;
    (void)registered;
}

} // namespace

Terminal::Terminal(int fd) : fd_{fd}, is_terminal_{::isatty(fd) == 1}
{
    if (!is_terminal_) return;
    restore_at_exit();
    for (int const signal : endings)
        handle(signal, true);
    for (int const signal : crashes)
        handle(signal, false);
    make_raw();
}

Terminal::~Terminal()
{
    if (!is_terminal_) return;
    restore();
    for (int const signal : endings)
        stop_handling(signal);
    for (int const signal : crashes)
        stop_handling(signal);
}

bool Terminal::in_foreground() const
{
    return may_use(fd_);
}

void Terminal::make_raw()
{
    if (!is_terminal_ || !in_foreground()) return;
    if (!knows_modes_ && ::tcgetattr(fd_, &found) != 0) return;
    knows_modes_ = true;
    auto raw = found;
    raw.c_iflag &= ~static_cast<tcflag_t>(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
    raw.c_cflag &= ~static_cast<tcflag_t>(CSIZE | PARENB);
    raw.c_cflag |= CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    raw_fd.store(fd_); // first: a signal in between restores what is still there
    ::tcsetattr(fd_, TCSANOW, &raw);
}

void Terminal::restore() noexcept
{
    auto const fd = raw_fd.exchange(-1);
    if (fd < 0 || !may_use(fd)) return;

    ::sigset_t background;
    ::sigset_t before;
    ::sigemptyset(&background);
    ::sigaddset(&background, SIGTTOU); // the foreground may be lost in this moment; being stopped here helps nobody
    ::pthread_sigmask(SIG_BLOCK, &background, &before);
    ::tcsetattr(fd, TCSANOW, &found);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

} // namespace vmm
