#include "vmm/helper/tpm_supervisor.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/helper/server_news.hpp"
#include "vmm/helper/tpm_calls.hpp"
#include "vmm/helper/watched_program.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <exception>
#include <fcntl.h>
#include <filesystem>
#include <poll.h>
#include <stdexcept>
#include <string_view>
#include <sys/socket.h>
#include <sys/stat.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace vmm::helper {

namespace {

/// One line that says what is wrong and what to do.
class TpmRefused final : public std::runtime_error {
    using std::runtime_error::runtime_error;
};

[[noreturn]] void refuse_folder(std::string const& folder, std::string const& why)
{
    throw TpmRefused{"the TPM's folder '" + folder + "' " + why};
}

/// The real path. Whoever may read it has the TPM's secrets.
std::string prepare(std::string const& folder)
{
    constexpr ::mode_t owner_alone = 0700;
    if (::mkdir(folder.c_str(), owner_alone) != 0 && errno != EEXIST)
        refuse_folder(folder, "cannot be made: " + devices::os_error(errno));
    std::error_code error;
    auto const real = std::filesystem::canonical(folder, error);
    if (error) refuse_folder(folder, "cannot be opened: " + error.message());
    if (!std::filesystem::is_directory(real, error)) refuse_folder(folder, "is none: name a folder");
    if (::faccessat(AT_FDCWD, real.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0)
        refuse_folder(folder, "must not be read and written by you: check its permissions");
    return real.string();
}

/// swtpm holds a lock of fcntl(2) on this file while it has the state open.
bool in_use(std::string const& folder)
{
    UniqueFd const file{::open((folder + "/.lock").c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
    if (!file) return false;
    struct ::flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return ::fcntl(file.get(), F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/// Whoever has had it may be ending: a run that was killed. False when Porthole does not want it any more.
bool await_unused(std::string const& named, std::string const& folder, int wanted)
{
    using namespace std::chrono_literals;
    auto const deadline = std::chrono::steady_clock::now() + 3s;
    while (in_use(folder)) {
        if (std::chrono::steady_clock::now() >= deadline)
            refuse_folder(named, "is in use by another Porthole or program: end that, or name another folder");
        pollfd polled{wanted, POLLIN, 0};
        if (::poll(&polled, 1, 100) > 0) return false;
    }
    return true;
}

jail::Landlock rules_for(std::string const& folder)
{
    jail::Landlock rules{{.tcp = true, .scopes = true}};
    rules.allow_write(folder);
    constexpr auto const* openssl = "/etc/ssl/openssl.cnf"; // libtpms has its cryptography from OpenSSL
    if (::access(openssl, R_OK) == 0) rules.allow_read(openssl);
    return rules;
}

void serve(int socket, std::string const& named)
{
    auto const program = find_program("swtpm");
    if (program.empty())
        throw TpmRefused{"a TPM needs swtpm: install Debian's packages swtpm and swtpm-libs, or leave the TPM out"};
    auto const folder = prepare(named);
    if (!await_unused(named, folder, socket)) return;
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        throw std::system_error{errno, std::generic_category(), "socketpair"};
    UniqueFd ours{ends[0]};
    UniqueFd theirs{ends[1]};
    auto rules = rules_for(folder);
    WatchedProgram swtpm;
    // It begins in the folder: a name with a comma would be two options to it. It is confined by Porthole, so not by
    // a list of its own.
    swtpm.start({.path = program,
                 .arguments = {"swtpm", "socket", "--tpm2", "--tpmstate", "dir=.,mode=0600", "--ctrl",
                               "type=unixio,clientfd=3", "--terminate", "--seccomp", "action=none"},
                 .folder = folder,
                 .connection = theirs.get(),
                 .calls = built_tpm_program()},
                rules);
    theirs.reset();
    if (!send_connection(socket, ours.get())) return;
    ours.reset();
    if (!swtpm.watch(socket)) return;
    auto const how = swtpm.how_it_ended();
    auto const complaint = complaint_of_swtpm(swtpm.said());
    (void)send_end(socket, complaint.empty() ? how : how + ": " + complaint);
}

} // namespace

std::string complaint_of_swtpm(std::string_view said)
{
    constexpr std::string_view name = "swtpm: ";
    while (!said.empty()) {
        auto const end = std::min(said.find('\n'), said.size());
        auto line = said.substr(0, end);
        said.remove_prefix(std::min(end + 1, said.size()));
        if (line.starts_with(name)) line.remove_prefix(name.size());
        if (!line.empty() && line.find("client disconnected") == std::string_view::npos) return last_words(line);
    }
    return {};
}

void supervise_tpm(UniqueFd socket, std::string const& folder)
{
    try {
        serve(socket.get(), folder);
    } catch (TpmRefused const& refusal) {
        (void)send_end(socket.get(), refusal.what());
    } catch (std::exception const& error) {
        (void)send_end(socket.get(), "swtpm cannot be started: " + devices::os_error(error));
    }
}

} // namespace vmm::helper
