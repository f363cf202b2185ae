#include "devices/fuzz/outside.hpp"

#include "devices/fuzz/lockstep.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

/// AddressSanitizer's (sanitizer/asan_interface.h). Not there in builds without it, which replay the corpora too.
extern "C" void* __asan_region_is_poisoned(void*, std::size_t) // NOLINT(bugprone-reserved-identifier): its name
    __attribute__((weak));

namespace devices::fuzz {

namespace {

using hv::fuzz::require;

Outside* the_one = nullptr;

constexpr std::size_t most_peers = 300;

bool lies_in_object(void const* data, std::size_t size)
{
    return !__asan_region_is_poisoned || !__asan_region_is_poisoned(const_cast<void*>(data), size);
}

/// Has the kernel choose an address for it.
void listen_anywhere(int fd)
{
    sockaddr_un any{};
    any.sun_family = AF_UNIX;
    (void)::syscall(SYS_bind, fd, &any, sizeof any.sun_family);
    (void)::syscall(SYS_listen, fd, 4096);
}

/// Connects to a socket that listens; both are of this process.
bool connect_to(int fd, int listening)
{
    sockaddr_un address{};
    socklen_t size = sizeof address;
    return ::syscall(SYS_getsockname, listening, &address, &size) == 0 &&
           ::syscall(SYS_connect, fd, &address, size) == 0;
}

UniqueFd stream()
{
    return UniqueFd{static_cast<int>(::syscall(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0))};
}

} // namespace

Outside::Outside() : listener_{stream()}
{
    listen_anywhere(listener_.get());
    the_one = this;
}

Outside::~Outside()
{
    the_one = nullptr;
}

Outside* Outside::current()
{
    return the_one;
}

void Outside::fail_after(unsigned calls, unsigned which_error)
{
    fails_after_ = calls;
    which_error_ = which_error;
}

bool Outside::fails(std::initializer_list<int> errors)
{
    if (!fails_after_) return false;
    if (*fails_after_ > 0) {
        --*fails_after_;
        return false;
    }
    fails_after_.reset();
    errno = errors.begin()[which_error_ % errors.size()];
    return true;
}

int Outside::peer_at(unsigned number) const
{
    return peers_.empty() ? -1 : peers_[number % peers_.size()].fd.get();
}

void Outside::say(unsigned peer, std::span<std::byte const> bytes)
{
    (void)::syscall(SYS_sendto, peer_at(peer), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT, nullptr, 0);
}

void Outside::say_much(unsigned peer, std::size_t size)
{
    std::vector<std::byte> const bytes(size, std::byte{0x5A});
    say(peer, bytes);
}

void Outside::take_all(unsigned peer)
{
    std::array<std::byte, 64 << 10> bytes;
    while (::syscall(SYS_recvfrom, peer_at(peer), bytes.data(), bytes.size(), MSG_DONTWAIT, nullptr, nullptr) > 0) {
    }
}

void Outside::say_no_more(unsigned peer)
{
    if (!peers_.empty() && peers_[peer % peers_.size()].is_stream)
        (void)::syscall(SYS_shutdown, peer_at(peer), SHUT_WR);
}

void Outside::go(unsigned peer)
{
    if (!peers_.empty() && peers_[peer % peers_.size()].is_stream) peers_[peer % peers_.size()].fd.reset();
}

void Outside::connect_from_outside(unsigned listener)
{
    if (listening_.empty() || peers_.size() >= most_peers) return;
    auto client = stream();
    if (connect_to(client.get(), listening_[listener % listening_.size()])) peers_.push_back({std::move(client)});
}

/// Datagrams keep their bounds, and end as streams do.
int Outside::make(int family, int type)
{
    if (peers_.size() >= most_peers) errno = EMFILE;
    if (peers_.size() >= most_peers || fails({EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EAFNOSUPPORT})) return -1;
    UniqueFd fd;
    if ((type & 0xF) == SOCK_STREAM) {
        fd = stream();
    } else {
        std::array<int, 2> ends{};
        if (::syscall(SYS_socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0)
            return -1;
        fd = UniqueFd{ends[0]};
        peers_.push_back({UniqueFd{ends[1]}, false});
    }
    sockets_[fd.get()] = {.family = family, .is_stream = (type & 0xF) == SOCK_STREAM};
    made_.push_back(fd.get());
    return fd.release();
}

int Outside::listen(int fd)
{
    if (fails({EADDRINUSE})) return -1;
    if (std::ranges::find(listening_, fd) != listening_.end()) return 0;
    listen_anywhere(fd);
    listening_.push_back(fd);
    return 0;
}

/// Those at even ports are near, and are there at once. That nobody listens shows later, when something is sent:
/// Linux leaves the answer until the socket is unlocked.
int Outside::connect(int fd, sockaddr const* address)
{
    if (fails({ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL, EPERM, EAGAIN})) return -1;
    if (!connect_to(fd, listener_.get())) return -1;
    auto const accepted = ::syscall(SYS_accept4, listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    peers_.push_back({UniqueFd{static_cast<int>(accepted)}});
    std::uint16_t port = 0;
    std::memcpy(&port, reinterpret_cast<std::byte const*>(address) + offsetof(sockaddr_in, sin_port), sizeof port);
    if (ntohs(port) % 2 == 0) return 0;
    errno = EINPROGRESS;
    return -1;
}

int Outside::accept(int fd, sockaddr* address, socklen_t* size)
{
    if (fails({EAGAIN, ECONNABORTED, EMFILE, ENFILE, ENOMEM})) return -1;
    auto const made = static_cast<int>(::syscall(SYS_accept4, fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (made < 0) return -1;
    sockets_[made] = {.family = sockets_[fd].family};
    made_.push_back(made);
    give_address(made, address, size);
    return made;
}

ssize_t Outside::send_to(int fd, void const* data, std::size_t size, int flags, sockaddr const* address)
{
    bool const is_stream = sockets_[fd].is_stream;
    if (is_stream ? fails({EAGAIN, ECONNREFUSED, EPIPE, ECONNRESET, ETIMEDOUT, EINTR})
                  : fails({EAGAIN, ENETUNREACH, EHOSTUNREACH, EACCES, EPERM, EMSGSIZE, ENOBUFS}))
        return -1;
    require(lies_in_object(data, size), "what is sent lies in an object of the heap");
    if (address)
        std::memcpy(&sockets_[fd].last, address,
                    address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
    return ::syscall(SYS_sendto, fd, data, size, flags | MSG_NOSIGNAL | MSG_DONTWAIT, nullptr, 0);
}

ssize_t Outside::receive_from(int fd, void* data, std::size_t size, int flags, sockaddr* address,
                              socklen_t* address_size)
{
    // A datagram may turn out to be damaged when it is looked at first.
    auto const& socket = sockets_[fd];
    bool const is_first_look = (flags & MSG_PEEK) != 0 || socket.last.ss_family != 0;
    if (socket.is_stream ? fails({EAGAIN, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, EINTR})
                         : is_first_look && fails({EAGAIN}))
        return -1;
    auto const received = ::syscall(SYS_recvfrom, fd, data, size, flags | MSG_DONTWAIT, nullptr, nullptr);
    if (received >= 0 && address) give_address(fd, address, address_size);
    return received;
}

int Outside::peer_name(int fd, sockaddr* address, socklen_t* size) const
{
    pollfd look{fd, 0, 0};
    if (::syscall(SYS_poll, &look, 1, 0) > 0 && (look.revents & POLLHUP) != 0) {
        errno = ENOTCONN;
        return -1;
    }
    return name(fd, address, size);
}

int Outside::name(int fd, sockaddr* address, socklen_t* size) const
{
    give_address(fd, address, size);
    return 0;
}

/// Whom the socket has sent to, or somebody.
void Outside::give_address(int fd, sockaddr* address, socklen_t* size) const
{
    sockaddr_storage from{};
    socklen_t length = sizeof(sockaddr_in);
    auto const found = sockets_.find(fd);
    auto const family = found == sockets_.end() ? AF_INET : found->second.family;
    if (found != sockets_.end() && found->second.last.ss_family == family) {
        from = found->second.last;
        if (family == AF_INET6) length = sizeof(sockaddr_in6);
    } else if (family == AF_INET6) {
        sockaddr_in6 somebody{};
        somebody.sin6_family = AF_INET6;
        somebody.sin6_port = htons(40'001);
        somebody.sin6_addr = in6addr_loopback;
        std::memcpy(&from, &somebody, length = sizeof somebody);
    } else {
        sockaddr_in somebody{};
        somebody.sin_family = AF_INET;
        somebody.sin_port = htons(40'000);
        somebody.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        std::memcpy(&from, &somebody, sizeof somebody);
    }
    if (!address || !size) return;
    std::memcpy(address, &from, std::min<std::size_t>(length, *size));
    *size = length;
}

} // namespace devices::fuzz

using devices::fuzz::Lockstep;
using devices::fuzz::Outside;

// These stand for the C library's, also for libslirp. Where there is no world outside nobody asks for sockets.
extern "C" {
int socket(int family, int type, int) noexcept
{
    return Outside::current()->make(family, type);
}
int bind(int, sockaddr const*, socklen_t) noexcept
{
    return Outside::current()->fails({EADDRINUSE, EADDRNOTAVAIL, EACCES, EAFNOSUPPORT}) ? -1 : 0;
}
int listen(int fd, int) noexcept
{
    return Outside::current()->listen(fd);
}
int connect(int fd, sockaddr const* address, socklen_t)
{
    return Outside::current()->connect(fd, address);
}
int accept(int fd, sockaddr* address, socklen_t* size)
{
    return Outside::current()->accept(fd, address, size);
}
ssize_t send(int fd, void const* data, std::size_t size, int flags)
{
    return Outside::current()->send_to(fd, data, size, flags, nullptr);
}
ssize_t sendto(int fd, void const* data, std::size_t size, int flags, sockaddr const* address, socklen_t)
{
    return Outside::current()->send_to(fd, data, size, flags, address);
}
ssize_t recv(int fd, void* data, std::size_t size, int flags)
{
    return Outside::current()->receive_from(fd, data, size, flags, nullptr, nullptr);
}
ssize_t recvfrom(int fd, void* data, std::size_t size, int flags, sockaddr* address, socklen_t* address_size)
{
    return Outside::current()->receive_from(fd, data, size, flags, address, address_size);
}
ssize_t recvmsg(int, msghdr*, int)
{
    errno = EAGAIN; // libslirp looks for errors of datagrams so
    return -1;
}
int getsockname(int fd, sockaddr* address, socklen_t* size) noexcept
{
    return Outside::current()->name(fd, address, size);
}
int getpeername(int fd, sockaddr* address, socklen_t* size) noexcept
{
    return Outside::current()->peer_name(fd, address, size);
}
int setsockopt(int, int, int, void const*, socklen_t) noexcept
{
    return 0;
}
int eventfd(unsigned count, int flags) noexcept
{
    auto* const outside = Outside::current();
    return outside && outside->fails({EMFILE, ENFILE, ENOMEM})
               ? -1
               : static_cast<int>(::syscall(SYS_eventfd2, count, flags));
}

int poll(pollfd* polled, nfds_t count, int timeout)
{
    auto const look = [&](int some_time) {
        auto* const outside = Outside::current();
        if (outside && outside->fails({EINTR, ENOMEM})) return -1;
        return static_cast<int>(::syscall(SYS_poll, polled, count, some_time));
    };
    auto* const lockstep = Lockstep::current();
    return lockstep ? lockstep->wait(look, timeout) : look(timeout);
}
}
