#include "vmm/helper/file_opener.hpp"

#include "vmm/helper/child_process.hpp"
#include "vmm/helper/messages.hpp"

#include <array>
#include <cerrno>
#include <memory>
#include <mutex>
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
    if (!server || !send_file_request(server->socket.get(), {access, path}, std::move(there))) return failed(EIO);
    auto answer = receive_answer(here.get(), without_limit);
    if (!answer) return failed(EIO);
    if (answer->error != 0 || !answer->descriptors[0]) return failed(answer->error != 0 ? answer->error : EIO);
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
