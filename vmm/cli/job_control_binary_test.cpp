// Runs in the background and the foreground of a shell on a terminal. Without /dev/kvm there is nothing to see.
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/cli/testing/puppet.hpp"
#include "vmm/console/testing/streams.hpp"
#include "vmm/host/testing/contains.hpp"

#include <chrono>
#include <csignal>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

using namespace std::chrono_literals;
using namespace vmm::testing;

/// An interactive shell on a terminal of its own.
class Shell {
  public:
    explicit Shell(std::vector<std::string> words)
    {
        ::setenv("porthole", (build_folder() / "porthole").c_str(), 1);
        ::setenv("puppet", puppet().c_str(), 1);
        ::setenv("PS1", "prompt ", 1);
        ::setenv("TERM", "dumb", 1);
        std::vector<char*> argv;
        for (auto& word : words)
            argv.push_back(word.data());
        argv.push_back(nullptr);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ != 0) return;
        ::setsid();
        ::ioctl(pty.slave.get(), TIOCSCTTY, 0);
        for (int const fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
            ::dup2(pty.slave.get(), fd);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    Shell(Shell const&) = delete;
    Shell& operator=(Shell const&) = delete;
    ~Shell()
    {
        ::kill(-pid_, SIGKILL);
        pty.slave.reset();
        pty.master.reset(); // its jobs get SIGHUP
        ::waitpid(pid_, nullptr, 0);
    }

    void type(std::string const& text) const { put(pty.master.get(), text); }

    /// Reads until the text has come since the last call.
    void await(std::string const& text)
    {
        while (seen_.find(text) == std::string::npos) {
            pollfd wait{pty.master.get(), POLLIN, 0};
            auto const ready = ::poll(&wait, 1, 60'000);
            INFO("awaited: " << text << "; came: " << seen_);
            REQUIRE(ready == 1);
            seen_ += get_some(pty.master.get());
        }
        seen_.erase(0, seen_.find(text) + text.size());
    }

    /// Waits until the terminal has the modes that Porthole gives it.
    void await_raw() const
    {
        for (int i = 0; i < 6'000 && !pty.is_raw(); ++i)
            std::this_thread::sleep_for(10ms); // nothing tells of a terminal's modes
        REQUIRE(pty.is_raw());
    }

    Pty pty;

  private:
    std::string seen_;
    pid_t pid_ = -1;
};

constexpr auto said = "partition 0"; // by the guest, which may not ask, and by no shell that repeats a command
constexpr auto start = R"("$porthole" run --kernel "$puppet" --memory 16M --test-devices --cmdline )";

/// After "fg".
void check_keyboard(Shell& shell)
{
    shell.await_raw();
    shell.type("hello");
    shell.await(said);
    shell.type("\x01x");
    shell.await("status=0");
    CHECK_FALSE(shell.pty.is_raw());
}

} // namespace

TEST_CASE("fg gives the keyboard to a run that was started in the background", "[binary][terminal]")
{
    if (!can_run()) return;
    auto const words = GENERATE(std::vector<std::string>{"/bin/bash", "--norc", "--noprofile", "-i"},
                                std::vector<std::string>{"/bin/sh", "-i"});
    INFO(words.front());
    Shell shell{words};
    shell.await("prompt ");
    shell.type(std::string{start} + "'id await:hello id halt' &\r");
    shell.await(said);
    CHECK_FALSE(shell.pty.is_raw());
    shell.type("fg; echo status=$?\r");
    check_keyboard(shell);
}

TEST_CASE("a run that was stopped and sent to the background gets the keyboard back as well", "[binary][terminal]")
{
    if (!can_run()) return;
    Shell shell{{"/bin/bash", "--norc", "--noprofile", "-i"}};
    shell.await("prompt ");
    shell.type(std::string{start} + "'id await:hello id halt'\r");
    shell.await(said);
    shell.await_raw();
    int group = 0;
    REQUIRE(::ioctl(shell.pty.master.get(), TIOCGPGRP, &group) == 0);
    REQUIRE(::kill(-group, SIGSTOP) == 0); // Ctrl-Z is the guest's
    shell.await("prompt ");
    shell.type("bg\r");
    shell.await("&");
    shell.type("fg; echo status=$?\r");
    check_keyboard(shell);
}
