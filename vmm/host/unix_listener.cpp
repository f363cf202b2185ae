#include "vmm/host/unix_listener.hpp"

#include "devices/base/os_error.hpp"
#include "vmm/base/user_error.hpp"

#include <cerrno>
#include <cstring>
#include <optional>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

namespace vmm {

namespace {

std::optional<sockaddr_un> address_of(std::string const& path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path) return std::nullopt;
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

int bind_to(UniqueFd const& fd, sockaddr_un const& address)
{
    return ::bind(fd.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address);
}

/// A socket whose process has ended.
bool is_stale(std::string const& path)
{
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
    return !connect_unix(path) && errno == ECONNREFUSED;
}

} // namespace

UnixListener::UnixListener(std::string const& option, std::string path) : path_{std::move(path)}
{
    auto const refuse = [&](std::string const& why) {
        throw UserError{option + ": cannot listen on '" + path_ + "': " + why};
    };
    auto const address = address_of(path_);
    if (!address) refuse("the path of a socket has 1 to " + std::to_string(sizeof address->sun_path - 1) + " bytes");

    fd_ = UniqueFd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    // Before bind: on Linux the file gets the socket's own mode, so that it is never open to others.
    if (!fd_ || ::fchmod(fd_.get(), 0600) != 0) refuse(devices::os_error(errno));
    if (bind_to(fd_, *address) != 0) {
        if (errno != EADDRINUSE) refuse(devices::os_error(errno));
        if (!is_stale(path_)) refuse("it is in use, or no socket; name another path, or remove it");
        if (::unlink(path_.c_str()) != 0 || bind_to(fd_, *address) != 0) refuse(devices::os_error(errno));
    }
    struct stat status {};
    if (::stat(path_.c_str(), &status) == 0) {
        device_ = status.st_dev;
        inode_ = status.st_ino;
    }
    if (::listen(fd_.get(), SOMAXCONN) != 0) refuse(devices::os_error(errno));
}

UnixListener::~UnixListener()
{
    struct stat status {};
    if (fd_ && ::stat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_)
        ::unlink(path_.c_str());
}

UniqueFd connect_unix(std::string const& path)
{
    auto const address = address_of(path);
    if (!address) {
        errno = ENAMETOOLONG;
        return {};
    }
    UniqueFd fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (fd && ::connect(fd.get(), reinterpret_cast<sockaddr const*>(&*address), sizeof *address) != 0) {
        auto const why = errno;
        fd.reset();
        errno = why;
    }
    return fd;
}

} // namespace vmm
