/// Other processes of the host's that a run of Porthole starts.
#pragma once

#include "vmm/cli/testing/porthole.hpp"
#include "vmm/host/unique_fd.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <poll.h>
#include <sstream>
#include <string>
#include <sys/syscall.h>
#include <unistd.h>

namespace vmm::testing {

inline std::string text_of(std::filesystem::path const& path)
{
    std::ifstream file{path};
    return {std::istreambuf_iterator<char>{file}, {}};
}

/// A process of the host's that may end.
struct Watched {
    explicit Watched(pid_t id) : pid{id}, pidfd{static_cast<int>(::syscall(SYS_pidfd_open, id, 0U))} {}

    [[nodiscard]] bool ends() const
    {
        pollfd polled{pidfd.get(), POLLIN, 0};
        return ::poll(&polled, 1, 60'000) == 1;
    }
    [[nodiscard]] bool is_there() const
    {
        pollfd polled{pidfd.get(), POLLIN, 0};
        return ::poll(&polled, 1, 0) == 0;
    }
    /// The value of a field of /proc/PID/status.
    [[nodiscard]] std::string status(std::string const& field) const
    {
        std::istringstream lines{text_of("/proc/" + std::to_string(pid) + "/status")};
        for (std::string line; std::getline(lines, line);)
            if (line.starts_with(field + ":\t")) return line.substr(field.size() + 2);
        return "nothing";
    }

    pid_t pid;
    UniqueFd pidfd;
};

/// Its guest does not listen: the second signal ends it.
inline Outcome end(Process& process)
{
    process.signal(SIGINT);
    process.signal(SIGTERM);
    return process.end();
}

} // namespace vmm::testing
