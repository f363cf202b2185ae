#include "devices/fuzz/tun.hpp"

#include "devices/fuzz/lockstep.hpp"
#include "devices/net/offload.hpp"
#include "hv/fuzz/input.hpp"

#include <linux/if_tun.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <string_view>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace devices::fuzz {

using hv::fuzz::require;

namespace {

Tun* the_one = nullptr;

} // namespace

Tun::Tun(bool several_queues) : several_queues_{several_queues}
{
    the_one = this;
}

Tun::~Tun()
{
    the_one = nullptr;
}

Tun* Tun::current()
{
    return the_one;
}

void Tun::fail_after(unsigned calls, int error)
{
    fails_after_ = calls;
    error_ = error;
}

bool Tun::fails()
{
    if (!fails_after_) return false;
    if (*fails_after_ > 0) {
        --*fails_after_;
        return false;
    }
    fails_after_.reset();
    errno = error_;
    return true;
}

int Tun::open()
{
    if (fails()) return -1;
    std::array<int, 2> ends{};
    require(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0, "sockets");
    queues.push_back(std::make_unique<Queue>(Queue{UniqueFd{ends[1]}}));
    by_descriptor_[ends[0]] = queues.back().get();
    return ends[0];
}

int Tun::control(int fd, unsigned long request, void* argument)
{
    auto const found = by_descriptor_.find(fd);
    require(found != by_descriptor_.end(), "only the tap is asked");
    if (fails()) return -1;
    auto const flags = [argument] { return static_cast<ifreq const*>(argument)->ifr_flags; };
    switch (request) {
    case TUNSETIFF:
        if (((flags() & IFF_MULTI_QUEUE) != 0) != several_queues_) {
            errno = EINVAL;
            return -1;
        }
        found->second->attached = true;
        return 0;
    case TUNSETQUEUE: set_attached(fd, *found->second, (flags() & IFF_ATTACH_QUEUE) != 0); return 0;
    case TUNSETVNETHDRSZ:
        require(*static_cast<int const*>(argument) == sizeof(net::Offload), "the header is what virtio has");
        return 0;
    case TUNSETOFFLOAD: return 0;
    default: require(false, "a call that nobody expects"); return -1;
    }
}

/// As the kernel does it, a queue that is detached loses what waits in it.
void Tun::set_attached(int fd, Queue& queue, bool attached)
{
    queue.attached = attached;
    if (attached) return;
    std::array<std::byte, 16> bytes;
    while (::recv(fd, bytes.data(), bytes.size(), MSG_DONTWAIT) > 0) {
    }
    queue.waiting.clear();
}

ssize_t Tun::read(int fd, iovec const* pieces, int count)
{
    if (gone) errno = EBADFD;
    if (gone || fails()) return -1;
    read_last = by_descriptor_.at(fd);
    return ::syscall(SYS_readv, fd, pieces, count);
}

ssize_t Tun::write(int fd, iovec const* pieces, int count)
{
    if (gone) errno = EBADFD;
    if (gone || fails()) return -1;
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces);
    message.msg_iovlen = static_cast<std::size_t>(count);
    return ::sendmsg(fd, &message, MSG_NOSIGNAL);
}

void Tun::send(unsigned number, std::vector<std::byte> const& frame)
{
    if (gone || queues.empty()) return;
    auto* queue = queues[number % queues.size()].get();
    if (!queue->attached) queue = queues[0].get();
    if (::send(queue->host.get(), frame.data(), frame.size(), MSG_NOSIGNAL) < 0) return;
    if (frame.size() > sizeof(net::Offload)) queue->waiting.push_back(frame);
}

std::vector<std::byte> Tun::receive(std::size_t number, std::size_t size)
{
    std::vector<std::byte> frame(size);
    auto const received =
        ::recv(queues[number % queues.size()]->host.get(), frame.data(), frame.size(), MSG_DONTWAIT);
    frame.resize(received > 0 ? static_cast<std::size_t>(received) : 0);
    return frame;
}

std::size_t Tun::waiting() const
{
    std::size_t all = 0;
    for (auto const& queue : queues)
        all += queue->waiting.size();
    return all;
}

void Tun::forget_waiting()
{
    for (auto const& queue : queues)
        queue->waiting.clear();
}

} // namespace devices::fuzz

using devices::fuzz::Lockstep;
using devices::fuzz::Tun;

// These stand for the C library's.
extern "C" {
int open(char const* path, int flags, ...)
{
    std::va_list list;
    va_start(list, flags);
    auto const mode = va_arg(list, unsigned);
    va_end(list);
    auto* const tun = Tun::current();
    if (tun && std::string_view{path} == "/dev/net/tun") return tun->open();
    return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

unsigned if_nametoindex(char const*) noexcept
{
    auto* const tun = Tun::current();
    return tun && tun->fails() ? 0 : 7;
}

int ioctl(int fd, unsigned long request, ...) noexcept
{
    std::va_list list;
    va_start(list, request);
    auto* const argument = va_arg(list, void*);
    va_end(list);
    auto* const tun = Tun::current();
    return tun ? tun->control(fd, request, argument) : static_cast<int>(::syscall(SYS_ioctl, fd, request, argument));
}

ssize_t readv(int fd, iovec const* pieces, int count)
{
    auto* const tun = Tun::current();
    return tun ? tun->read(fd, pieces, count) : ::syscall(SYS_readv, fd, pieces, count);
}

ssize_t writev(int fd, iovec const* pieces, int count)
{
    auto* const tun = Tun::current();
    return tun ? tun->write(fd, pieces, count) : ::syscall(SYS_writev, fd, pieces, count);
}

int epoll_wait(int fd, epoll_event* events, int most, int timeout)
{
    return Lockstep::current()->wait(
        [&](int some_time) {
            if (Tun::current()->gone) {
                events[0] = {.events = EPOLLERR, .data = {.fd = -1}};
                return 1;
            }
            return static_cast<int>(::syscall(SYS_epoll_wait, fd, events, most, some_time));
        },
        timeout);
}

int poll(pollfd* polled, nfds_t count, int timeout)
{
    auto const look = [&](int some_time) { return static_cast<int>(::syscall(SYS_poll, polled, count, some_time)); };
    auto* const lockstep = Lockstep::current();
    return lockstep ? lockstep->wait(look, timeout) : look(timeout);
}
}
