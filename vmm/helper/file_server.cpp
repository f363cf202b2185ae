#include "vmm/helper/file_server.hpp"

#include "devices/base/guarded_thread.hpp"
#include "vmm/helper/file_calls.hpp"
#include "vmm/helper/messages.hpp"
#include "vmm/helper/passing.hpp"
#include "vmm/jail/load_program.hpp"
#include "vmm/jail/privileges.hpp"

#include <linux/capability.h>
#include <linux/limits.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <sys/prctl.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace vmm::helper {

namespace {

using devices::FileAccess;

constexpr unsigned most_at_once = 64;
constexpr std::size_t longest = sizeof(std::uint32_t) + PATH_MAX - 1;

struct Arrived {
    bool end = false;
    std::optional<FileRequest> request; ///< nothing for nonsense
    UniqueFd answer;
};

Arrived receive(int socket)
{
    std::array<std::byte, longest + 1> bytes{}; // one more: a longer message is none
    auto passed = receive_passed(socket, bytes, 0);
    if (passed.size <= 0) return {.end = true, .request = {}, .answer = {}};
    Arrived arrived;
    if (passed.descriptors.size() != 1 || !passed.whole) return arrived;
    arrived.request = parse_file_request(std::span{bytes}.first(static_cast<std::size_t>(passed.size)));
    arrived.answer = std::move(passed.descriptors.front());
    return arrived;
}

void answer(int socket, FilePolicy const& policy, FileRequest const& request)
{
    Answer reply;
    reply.descriptors[0] = policy.open(request.path, request.access);
    if (!reply.descriptors[0]) reply.error = errno;
    send_answer(socket, reply);
}

/// A reader of Porthole's output sees its end by Porthole's own.
void say_nothing()
{
    UniqueFd const null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    for (auto const stream : {STDOUT_FILENO, STDERR_FILENO})
        if (null) ::dup2(null.get(), stream);
}

} // namespace

std::optional<FileRequest> parse_file_request(std::span<std::byte const> bytes)
{
    std::uint32_t access = 0;
    if (bytes.size() <= sizeof access || bytes.size() > longest) return std::nullopt;
    std::memcpy(&access, bytes.data(), sizeof access);
    if (access > static_cast<std::uint32_t>(FileAccess::ReadWrite)) return std::nullopt;
    FileRequest request{static_cast<FileAccess>(access),
                        {reinterpret_cast<char const*>(bytes.data()) + sizeof access, bytes.size() - sizeof access}};
    if (request.path.find('\0') != std::string::npos) return std::nullopt;
    return request;
}

int send_file_request(int socket, FileRequest const& request, UniqueFd answer)
{
    auto access = static_cast<std::uint32_t>(request.access);
    if (request.path.empty()) return ENOENT;
    if (sizeof access + request.path.size() > longest) return ENAMETOOLONG;
    std::vector<char> bytes(sizeof access + request.path.size());
    std::memcpy(bytes.data(), &access, sizeof access);
    std::memcpy(bytes.data() + sizeof access, request.path.data(), request.path.size());
    return send_passing(socket, std::as_bytes(std::span{bytes}), std::array{answer.get()}, 0) ? 0 : errno;
}

void serve_files(int socket, std::shared_ptr<FilePolicy const> const& policy)
{
    static std::atomic<unsigned> under_way{0};
    for (;;) {
        auto arrived = receive(socket);
        if (arrived.end) return;
        if (!arrived.answer) continue;
        auto const& waits = arrived.answer;
        if (!arrived.request || under_way.load() >= most_at_once) {
            send_answer(waits.get(), {.error = arrived.request ? EAGAIN : EINVAL});
            continue;
        }
        ++under_way;
        auto const body = [policy, request = std::move(*arrived.request), fd = waits.get()] {
            UniqueFd const to{fd};
            (void)devices::contain([&] { answer(to.get(), *policy, request); }, [](char const*) {});
            --under_way;
        };
        auto const started = devices::contain([&] { std::thread{body}.detach(); }, [](char const*) {});
        if (started)
            (void)arrived.answer.release(); // the thread's
        else
            --under_way;
    }
}

void run_file_server(UniqueFd socket, std::span<int const> kept, PreparePolicy const& prepare)
{
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NAME, "porthole-files");
    ::setsid();
    say_nothing();
    try {
        std::vector<int> stay(kept.begin(), kept.end());
        stay.push_back(socket.get());
        jail::close_inherited(stay);
        jail::forbid_new_privileges();
        jail::forbid_dumps();
        jail::drop_capabilities(1U << CAP_DAC_OVERRIDE | 1U << CAP_DAC_READ_SEARCH);
        auto const policy = std::make_shared<FilePolicy const>(prepare());
        if (jail::filters_supported()) jail::load_program(built_file_server_program());
        serve_files(socket.get(), policy);
    } catch (std::exception const&) { // whoever asks sees that nobody answers
    }
    ::_exit(EXIT_SUCCESS);
}

} // namespace vmm::helper
