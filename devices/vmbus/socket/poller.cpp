#include "devices/vmbus/socket/poller.hpp"

#include <array>
#include <cerrno>
#include <sys/epoll.h>
#include <system_error>

namespace devices::vmbus::socket {

Poller::Poller() : fd_{::epoll_create1(EPOLL_CLOEXEC)}
{
    if (!fd_) throw std::system_error{errno, std::generic_category(), "epoll_create1"};
}

void Poller::ask(int fd, std::uint64_t id, std::uint32_t events) const
{
    epoll_event event{};
    event.events = events | EPOLLONESHOT;
    event.data.u64 = id;
    if (::epoll_ctl(fd_.get(), EPOLL_CTL_MOD, fd, &event) != 0 && errno == ENOENT)
        ::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Poller::wait(std::optional<std::chrono::milliseconds> time,
                  std::function<void(std::uint64_t id, std::uint32_t events)> const& ready) const
{
    std::array<epoll_event, 32> events{};
    auto const timeout = time ? static_cast<int>(time->count()) : -1;
    auto const count = ::epoll_wait(fd_.get(), events.data(), static_cast<int>(events.size()), timeout);
    for (int i = 0; i < count; ++i) {
        auto const& event = events[static_cast<std::size_t>(i)];
        ready(event.data.u64, event.events);
    }
}

} // namespace devices::vmbus::socket
