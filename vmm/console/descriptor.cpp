#include "vmm/console/descriptor.hpp"

#include <cerrno>
#include <fcntl.h>
#include <poll.h>
#include <string>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <system_error>

namespace vmm {

namespace {

bool is_reopenable(int fd)
{
    struct ::stat status {};
    if (::fstat(fd, &status) != 0) return false;
    if (S_ISFIFO(status.st_mode)) return true;
    unsigned number = 0;
    bool const is_pty_master = ::ioctl(fd, TIOCGPTN, &number) == 0; // opened anew, it would be another terminal
    return ::isatty(fd) == 1 && !is_pty_master;
}

bool epoll_takes(int fd)
{
    UniqueFd const epoll{::epoll_create1(EPOLL_CLOEXEC)};
    ::epoll_event event{};
    return epoll && ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

} // namespace

bool is_open_for(int fd, int access)
{
    auto const flags = ::fcntl(fd, F_GETFL);
    return flags >= 0 && ((flags & O_ACCMODE) == access || (flags & O_ACCMODE) == O_RDWR);
}

ConsoleDescriptor ConsoleDescriptor::copy_of(int fd)
{
    auto const flags = ::fcntl(fd, F_GETFL);
    if (flags < 0) throw std::system_error{errno, std::generic_category(), "fcntl"};

    if (is_reopenable(fd)) {
        auto const path = "/proc/self/fd/" + std::to_string(fd);
        UniqueFd anew{::open(path.c_str(), (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)};
        if (anew) return {std::move(anew), true, -1};
    }

    UniqueFd copy{::fcntl(fd, F_DUPFD_CLOEXEC, 3)};
    if (!copy) throw std::system_error{errno, std::generic_category(), "fcntl"};
    if (!epoll_takes(copy.get())) return {std::move(copy), false, -1};
    ::fcntl(copy.get(), F_SETFL, flags | O_NONBLOCK);
    return {std::move(copy), true, flags};
}

bool ConsoleDescriptor::has_reader() const
{
    struct ::stat status {};
    return pollable_ && ::fstat(get(), &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode));
}

bool ConsoleDescriptor::is_hung_up() const
{
    ::pollfd state{get(), 0, 0}; // POLLERR: a pipe has no reader; POLLHUP: a socket is closed in both directions
    return ::poll(&state, 1, 0) == 1 && (state.revents & (POLLERR | POLLHUP)) != 0;
}

ConsoleDescriptor::~ConsoleDescriptor()
{
    if (fd_ && flags_to_restore_ >= 0) ::fcntl(fd_.get(), F_SETFL, flags_to_restore_);
}

} // namespace vmm
