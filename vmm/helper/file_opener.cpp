#include "vmm/helper/file_opener.hpp"

#include "vmm/helper/child_process.hpp"
#include "vmm/helper/messages.hpp"

#include <spdlog/spdlog.h>

#include <array>
#include <cerrno>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <sys/socket.h>
#include <utility>

namespace vmm::helper {

namespace {

std::mutex mutex;
std::shared_ptr<ForkedHelper const> current; ///< under the mutex; who asks it keeps it

UniqueFd failed(int error)
{
    errno = error;
    return {};
}

UniqueFd nobody_answers(ChildProcess& server)
{
    constexpr int patience_ms = 5000; // its sockets close before it is known how it ended
    std::string how;
    {
        std::lock_guard const lock{mutex};
        how = server.ended_within(patience_ms);
    }
    spdlog::error("the process that opens files for guests (porthole-files) {}",
                  how.empty() ? "does not answer" : how);
    return failed(EPIPE);
}

/// It waits for as long as the file system lets the server wait, as open(2) would.
UniqueFd open_by_helper(char const* path, devices::FileAccess access)
{
    constexpr int without_limit = -1;
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) return failed(errno);
    UniqueFd const here{ends[0]};
    UniqueFd there{ends[1]};
    auto const server = [] {
        std::lock_guard const lock{mutex};
        return current;
    }();
    if (!server) return failed(EPIPE); // the run is at its end
    int const error = send_file_request(server->socket.get(), {access, path}, std::move(there));
    if (error != 0 && error != EPIPE) return failed(error);
    auto answer = error == 0 ? receive_answer(here.get(), without_limit) : std::nullopt;
    if (!answer || (answer->error == 0 && !answer->descriptors[0])) return nobody_answers(*server->process);
    if (answer->error != 0) return failed(answer->error);
    return std::move(answer->descriptors[0]);
}

} // namespace

FileOpener::FileOpener(std::span<int const> kept, PreparePolicy const& prepare)
{
    current = std::make_shared<ForkedHelper const>(
        fork_helper([&](UniqueFd socket) { run_file_server(std::move(socket), kept, prepare); }));
    devices::set_file_opener(open_by_helper);
}

FileOpener::~FileOpener()
{
    devices::set_file_opener(nullptr);
    std::lock_guard const lock{mutex};
    if (current) current->process->kill();
    current.reset();
}

} // namespace vmm::helper
