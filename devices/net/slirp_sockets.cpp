#include "devices/net/slirp_sockets.hpp"

#include "devices/base/os_error.hpp"
#include "devices/base/unique_fd.hpp"
#include "devices/net/frame_headers.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <utility>

namespace devices::net {

namespace {

void never_wait_for(int fd)
{
    auto const flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0) ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

enum class Opens { Nothing, Stream, Other };

/// What the frame may open a socket for. Only the first packet of a TCP connection does, and fragments may hide it.
Opens opens(std::span<std::byte const> frame)
{
    constexpr std::size_t flags_at = 13;
    constexpr std::byte syn{0x02};
    constexpr std::byte syn_and_ack{0x12};
    auto const start = frame.first(std::min(frame.size(), longest_headers));
    auto const headers = parse_headers(start);
    if (headers.network == Network::Other) return Opens::Nothing;
    if (headers.protocol != protocol_tcp) return headers.protocol == 0 ? Opens::Stream : Opens::Other;
    auto const flags = headers.transport_offset + flags_at;
    if (headers.transport_offset == 0 || flags >= start.size()) return Opens::Stream;
    return (start[flags] & syn_and_ack) == syn ? Opens::Stream : Opens::Nothing;
}

} // namespace

void SlirpSockets::forwarding(int fd)
{
    never_wait_for(fd);
    int listening = 0;
    socklen_t size = sizeof listening;
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0)
        return datagram_ports_.push_back(fd);
    ::listen(fd, SOMAXCONN);
    listeners_.push_back(fd);
}

void SlirpSockets::opened(int fd)
{
    if (fd < 0) {
        static_cast<void>(descriptor_left());
        return;
    }
    never_wait_for(fd);
    ++count_;
}

void SlirpSockets::closed(int fd)
{
    if (fd < 0)
        static_cast<void>(descriptor_left());
    else if (count_ > 0)
        --count_;
}

bool SlirpSockets::may_accept(std::int64_t now_ms)
{
    if (count_ >= most_streams)
        at_the_most();
    else if (descriptor_left())
        return true;
    paused_until_ms_ = now_ms + pause_ms;
    return false;
}

bool SlirpSockets::listens(int fd) const
{
    return std::ranges::find(listeners_, fd) != listeners_.end();
}

bool SlirpSockets::readable_in_vain(int fd) const
{
    if (std::ranges::find(datagram_ports_, fd) == datagram_ports_.end()) return false;
    char byte = 0;
    return ::recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT) < 0;
}

std::int64_t SlirpSockets::paused_until(std::int64_t now_ms)
{
    if (paused_until_ms_ <= now_ms) paused_until_ms_ = 0;
    return paused_until_ms_;
}

bool SlirpSockets::admits(std::span<std::byte const> frame)
{
    if (count_ < most_streams) return true;
    auto const wanted = opens(frame);
    if (wanted == Opens::Nothing || (wanted == Opens::Other && count_ < most)) return true;
    at_the_most();
    return false;
}

void SlirpSockets::look(std::int64_t now_ms)
{
    constexpr std::int64_t interval_ms = 100;
    if (said_no_descriptor_ || now_ms - looked_ms_ < interval_ms) return;
    looked_ms_ = now_ms;
    static_cast<void>(descriptor_left());
}

bool SlirpSockets::descriptor_left()
{
    UniqueFd const fd{::eventfd(0, EFD_CLOEXEC)};
    auto const error = errno;
    if (fd || !is_limit(error)) return true;
    if (!std::exchange(said_no_descriptor_, true))
        report_("the user-mode network gets no socket for another connection: " + os_error(error));
    return false;
}

void SlirpSockets::at_the_most()
{
    if (std::exchange(said_most_, true)) return;
    report_("the user-mode network has " + std::to_string(most_streams) +
            " connections, the most that it can have: new ones wait or fail until others end");
}

} // namespace devices::net
