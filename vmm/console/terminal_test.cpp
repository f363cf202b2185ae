#include "hv/testing/catch.hpp"
#include "vmm/console/terminal.hpp"
#include "vmm/console/testing/streams.hpp"

#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <new>
#include <sys/ioctl.h>
#include <sys/wait.h>

namespace {

using namespace vmm::testing;

/// What happens to a new process that does `action` with default signal handling: its wait status.
int in_a_process(std::function<void()> const& action)
{
    auto const child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        for (int const signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT})
            std::signal(signal, SIG_DFL);
        action();
        ::_exit(0);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return status;
}

} // namespace

TEST_CASE("a terminal is raw for as long as the object lives", "[console]")
{
    Pty pty;
    auto const before = pty.modes();
    {
        vmm::Terminal const terminal{pty.slave.get()};
        CHECK(terminal.is_terminal());
        CHECK(pty.is_raw());
        CHECK(pty.modes() != before);
    }
    CHECK(pty.modes() == before);
}

TEST_CASE("it is given back when an exception passes", "[console]")
{
    Pty pty;
    auto const before = pty.modes();
    try {
        vmm::Terminal const terminal{pty.slave.get()};
        throw 1;
    } catch (int) {
        CHECK(pty.modes() == before);
    }
}

TEST_CASE("what is no terminal is left alone", "[console]")
{
    Pipe pipe;
    vmm::Terminal on_pipe{pipe.reader.get()};
    on_pipe.make_raw();
    CHECK_FALSE(on_pipe.is_terminal());
    CHECK_FALSE(vmm::Terminal{-1}.is_terminal());
}

TEST_CASE("a signal that ends the process gives the terminal back first", "[console]")
{
    for (int const signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT}) {
        Pty pty;
        auto const before = pty.modes();
        auto const status = in_a_process([&] {
            vmm::Terminal const terminal{pty.slave.get()};
            if (!pty.is_raw()) ::_exit(9);
            std::raise(signal);
        });
        INFO("signal " << signal);
        CHECK(WIFSIGNALED(status));
        CHECK(WTERMSIG(status) == signal);
        CHECK(pty.modes() == before);
    }
}

TEST_CASE("exit() gives the terminal back", "[console]")
{
    Pty pty;
    auto const before = pty.modes();
    std::fflush(nullptr); // or the new process would write it a second time
    auto const status = in_a_process([&] {
        alignas(vmm::Terminal) static std::byte place[sizeof(vmm::Terminal)];
        new (place) vmm::Terminal{pty.slave.get()}; // never destroyed
        std::exit(pty.is_raw() ? 3 : 9);
    });
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 3);
    CHECK(pty.modes() == before);
}

TEST_CASE("a handler that somebody else has installed stays, and is removed by nobody but them", "[console]")
{
    Pty pty;
    auto const status = in_a_process([&] {
        std::signal(SIGTERM, [](int) {});
        {
            vmm::Terminal const terminal{pty.slave.get()};
            std::raise(SIGTERM);
        }
        std::raise(SIGTERM);
        ::_exit(4);
    });
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 4);
}

TEST_CASE("a process in the background leaves the terminal alone and is not stopped", "[console]")
{
    Pty pty;
    auto const before = pty.modes();
    auto const status = in_a_process([&] {
        ::alarm(20);
        if (::setsid() < 0 || ::ioctl(pty.slave.get(), TIOCSCTTY, 0) != 0) ::_exit(8);
        std::signal(SIGHUP, SIG_IGN);
        auto const job = ::fork();
        if (job == 0) {
            ::setpgid(0, 0);
            vmm::Terminal terminal{pty.slave.get()};
            terminal.make_raw();
            ::_exit(terminal.is_terminal() && !terminal.in_foreground() && !pty.is_raw() ? 5 : 6);
        }
        int of_job = 0;
        if (::waitpid(job, &of_job, WUNTRACED) != job || !WIFEXITED(of_job)) ::_exit(7);
        ::_exit(WEXITSTATUS(of_job));
    });
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 5);
    CHECK(pty.modes() == before);
}
