/// An NBD server for tests, and what a backend tells of it.
#pragma once

#include "devices/block/nbd_backend.hpp"
#include "hv/testing/catch.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <filesystem>
#include <mutex>
#include <spawn.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace devices::block::testing {

/// nbdkit on a UNIX socket, until the object ends. The socket is bound before nbdkit starts, so a client can connect
/// at once.
class NbdServer {
  public:
    NbdServer(std::string path, std::vector<std::string> arguments) : path_{std::move(path)}
    {
        ::unlink(path_.c_str());
        int const listener = socket(AF_UNIX, SOCK_STREAM, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.copy(address.sun_path, sizeof address.sun_path - 1);
        bool const listening =
            bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && listen(listener, 5) == 0;
        REQUIRE(listening);

        // Socket activation: descriptor 3 is the socket, and the process is told that it is meant.
        std::string const script =
            "export LISTEN_FDS=1 LISTEN_PID=$$; exec nbdkit --foreground --exit-with-parent \"$@\"";
        std::vector<std::string> words{"sh", "-c", script, "sh"};
        words.insert(words.end(), arguments.begin(), arguments.end());
        std::vector<char*> argv;
        for (auto& word : words)
            argv.push_back(word.data());
        argv.push_back(nullptr);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, listener, 3);
        REQUIRE(posix_spawn(&pid_, "/bin/sh", &actions, nullptr, argv.data(), environ) == 0);
        posix_spawn_file_actions_destroy(&actions);
        close(listener);
    }
    NbdServer(NbdServer const&) = delete;
    NbdServer& operator=(NbdServer const&) = delete;
    ~NbdServer() { kill(); }

    void stand_still() const { ::kill(pid_, SIGSTOP); }
    void go_on() const { ::kill(pid_, SIGCONT); }
    void kill()
    {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

  private:
    std::string path_;
    pid_t pid_ = -1;
};

inline std::string socket_path()
{
    return std::filesystem::temp_directory_path() / ("porthole-nbd-" + std::to_string(getpid()));
}
inline std::string uri()
{
    return "nbd+unix:///?socket=" + socket_path();
}

/// Waits for what a backend tells.
class Notices {
  public:
    [[nodiscard]] NbdBackend::How how()
    {
        return {.notice = [this](std::string const& text) {
            std::scoped_lock const lock{mutex_};
            told_.push_back(text);
            came_.notify_all();
        }};
    }
    [[nodiscard]] bool wait_for(std::string const& part)
    {
        std::unique_lock lock{mutex_};
        return came_.wait_for(lock, std::chrono::seconds{30}, [&] {
            return std::ranges::any_of(told_, [&](auto const& text) { return text.find(part) != std::string::npos; });
        });
    }

  private:
    std::mutex mutex_;
    std::condition_variable came_;
    std::vector<std::string> told_;
};

} // namespace devices::block::testing
