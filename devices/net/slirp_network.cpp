#include "devices/net/slirp_network.hpp"

#include "devices/base/os_error.hpp"
#include "devices/net/frame_headers.hpp"
#include "devices/net/slirp_library.hpp"
#include "devices/net/urgent_data.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <utility>

namespace devices::net {

namespace {

in_addr ipv4(char const* text)
{
    in_addr address{};
    ::inet_pton(AF_INET, text, &address);
    return address;
}

in6_addr ipv6(char const* text)
{
    in6_addr address{};
    ::inet_pton(AF_INET6, text, &address);
    return address;
}

short to_poll(int events)
{
    int out = 0;
    if (events & SLIRP_POLL_IN) out |= POLLIN;
    if (events & SLIRP_POLL_OUT) out |= POLLOUT;
    if (events & SLIRP_POLL_PRI) out |= POLLPRI;
    if (events & SLIRP_POLL_ERR) out |= POLLERR;
    if (events & SLIRP_POLL_HUP) out |= POLLHUP;
    return static_cast<short>(out);
}

int from_poll(int events)
{
    int out = 0;
    if (events & POLLIN) out |= SLIRP_POLL_IN;
    if (events & POLLOUT) out |= SLIRP_POLL_OUT;
    if (events & POLLPRI) out |= SLIRP_POLL_PRI;
    if (events & POLLERR) out |= SLIRP_POLL_ERR;
    if (events & POLLHUP) out |= SLIRP_POLL_HUP;
    return out;
}

[[noreturn]] void refuse(PortForward const& forward, int error)
{
    auto const advice = [error] {
        switch (error) {
        case EADDRINUSE: return ": choose another port of the host";
        case EADDRNOTAVAIL: return ": give an address that the host has";
        case EACCES: return ": choose a port from 1024 on, or run as root";
        case EAFNOSUPPORT: return ": the host has no IPv6";
        default: return "";
        }
    }();
    throw std::runtime_error{"cannot listen for " + to_string(forward) + ": " + os_error(error) + advice};
}

/// Of an IPv4 packet. libslirp 4.7 as Debian 12 has it cannot put them together: ip_reass accesses a list by pointers
/// to unrelated types, GCC 12 moves a load before the store that it depends on, and the first fragment that arrives
/// becomes a wild pointer.
bool is_fragment(std::span<std::byte const> frame)
{
    auto const headers = parse_headers(frame.first(std::min(frame.size(), longest_headers)));
    return headers.network == Network::Ipv4 && headers.protocol == 0;
}

} // namespace

struct SlirpNetwork::Callbacks {
    static SlirpNetwork& network(void* opaque) { return *static_cast<SlirpNetwork*>(opaque); }

    /// What it throws is thrown again once libslirp has returned.
    template <typename Body>
    static void hold_back(void* opaque, Body body) noexcept
    {
        try {
            body();
        } catch (...) {
            network(opaque).failure_ = std::current_exception();
        }
    }

    static ssize_t send_packet(void const* frame, size_t size, void* opaque)
    {
        hold_back(opaque, [&] { network(opaque).to_guest_({static_cast<std::byte const*>(frame), size}); });
        return static_cast<ssize_t>(size);
    }
    static void guest_error(char const*, void*) {} // whatever a guest sends is no matter for the log
    static std::int64_t clock_get_ns(void* opaque) { return network(opaque).now_ns(); }
    static void* timer_new(SlirpTimerCb callback, void* argument, void* opaque)
    {
        Timer* timer = nullptr;
        hold_back(opaque, [&] {
            auto& timers = network(opaque).timers_;
            timers.push_back(std::make_unique<Timer>(Timer{callback, argument}));
            timer = timers.back().get();
        });
        return timer;
    }
    static void timer_free(void* timer, void* opaque)
    {
        std::erase_if(network(opaque).timers_, [&](auto const& t) { return t.get() == timer; });
    }
    static void timer_mod(void* timer, std::int64_t expires_ms, void*)
    {
        if (timer) static_cast<Timer*>(timer)->expires_ms = expires_ms;
    }
    static void opened(int fd, void* opaque)
    {
        hold_back(opaque, [&] { network(opaque).sockets_.opened(fd); });
    }
    static void closed(int fd, void* opaque)
    {
        hold_back(opaque, [&] { network(opaque).sockets_.closed(fd); });
    }
    static void notify(void*) {} // it has work, which it is called for anyway before the next wait

    static constexpr int not_polled = -1;

    static int add_forward(int fd, int, void* opaque)
    {
        hold_back(opaque, [&] { network(opaque).sockets_.forwarding(fd); });
        return not_polled;
    }
    static int add_poll(int fd, int events, void* opaque)
    {
        auto& polled = *network(opaque).polled_;
        auto& sockets = network(opaque).sockets_;
        auto index = not_polled;
        hold_back(opaque, [&] {
            if (sockets.paused_until(network(opaque).now_ms()) != 0 && sockets.listens(fd)) return;
            polled.push_back({fd, to_poll(events), 0});
            index = static_cast<int>(polled.size() - 1);
        });
        return index;
    }
    static int get_revents(int index, void* opaque)
    {
        auto& sockets = network(opaque).sockets_;
        auto const& ready = network(opaque).looked_at_[static_cast<std::size_t>(index)];
        auto ignored = false;
        hold_back(opaque, [&] {
            if (ready.revents == 0) return;
            ignored = sockets.listens(ready.fd) ? !sockets.may_accept(network(opaque).now_ms())
                                                : sockets.readable_in_vain(ready.fd);
        });
        return ignored ? 0 : from_poll(ready.revents);
    }
};

void SlirpNetwork::Free::operator()(Slirp* slirp) const
{
    slirp_library().cleanup_(slirp);
}

SlirpNetwork::SlirpNetwork(std::vector<PortForward> const& forwards, ToGuest to_guest, Warn warn,
                           BootFiles const& files)
    : to_guest_{std::move(to_guest)}, sockets_{std::move(warn)}
{
    SlirpConfig config{};
    config.version = 1;
    config.in_enabled = true;
    config.vnetwork = ipv4("10.0.2.0");
    config.vnetmask = ipv4("255.255.255.0");
    config.vhost = ipv4("10.0.2.2");
    config.vdhcp_start = ipv4("10.0.2.15");
    config.vnameserver = ipv4("10.0.2.3");
    config.in6_enabled = true;
    config.vprefix_addr6 = ipv6("fec0::");
    config.vprefix_len = 64;
    config.vhost6 = ipv6("fec0::2");
    config.vnameserver6 = ipv6("fec0::3");
    if (!files.folder.empty()) config.tftp_path = files.folder.c_str(); // it keeps copies
    if (!files.name.empty()) config.bootfile = files.name.c_str();

    static SlirpCb const callbacks = [] {
        SlirpCb out{};
        out.send_packet = Callbacks::send_packet;
        out.guest_error = Callbacks::guest_error;
        out.clock_get_ns = Callbacks::clock_get_ns;
        out.timer_new = Callbacks::timer_new;
        out.timer_free = Callbacks::timer_free;
        out.timer_mod = Callbacks::timer_mod;
        out.register_poll_fd = Callbacks::opened;
        out.unregister_poll_fd = Callbacks::closed;
        out.notify = Callbacks::notify;
        return out;
    }();
    slirp_.reset(slirp_library().new_(&config, &callbacks, this));
    if (!slirp_) throw std::runtime_error{"libslirp cannot start a network"};

    fail_if_asked();
    forward(forwards);
}

void SlirpNetwork::forward(std::vector<PortForward> const& forwards)
{
    auto const& slirp = slirp_library();
    for (auto const& forward : forwards) {
        SocketAddress const host{forward.host_address, forward.host_port};
        SocketAddress const guest{forward.guest_address, forward.guest_port};
        // Both kinds of addresses may have the same port, each its own way.
        auto const flags = SLIRP_HOSTFWD_V6ONLY | (forward.udp ? SLIRP_HOSTFWD_UDP : 0);
        if (slirp.add_hostxfwd_(slirp_.get(), host.get(), host.size, guest.get(), guest.size, flags) < 0)
            refuse(forward, errno);
    }
    auto timeout = std::numeric_limits<std::uint32_t>::max();
    slirp.pollfds_fill_(slirp_.get(), &timeout, Callbacks::add_forward, this); // there are no other sockets yet
    fail_if_asked();
}

std::int64_t SlirpNetwork::now_ns() const
{
    auto const now = std::chrono::steady_clock::now().time_since_epoch() - rested_;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

void SlirpNetwork::fail_if_asked()
{
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

int SlirpNetwork::add_polled(std::vector<pollfd>& polled)
{
    auto timeout = std::numeric_limits<std::uint32_t>::max();
    for (auto const& timer : timers_) {
        if (timer->expires_ms == Timer::never) continue;
        auto const left = std::clamp<std::int64_t>(timer->expires_ms - now_ms(), 0, 1'000'000);
        timeout = std::min(timeout, static_cast<std::uint32_t>(left));
    }
    auto const now = now_ms();
    if (auto const until = sockets_.paused_until(now); until != 0)
        timeout = std::min(timeout, static_cast<std::uint32_t>(until - now));
    polled_ = &polled;
    slirp_library().pollfds_fill_(slirp_.get(), &timeout, Callbacks::add_poll, this);
    polled_ = nullptr;
    fail_if_asked();
    auto const forever = timeout == std::numeric_limits<std::uint32_t>::max();
    return forever ? -1 : static_cast<int>(std::min<std::uint32_t>(timeout, std::numeric_limits<int>::max()));
}

void SlirpNetwork::work(std::span<pollfd const> polled, bool failed)
{
    looked_at_ = polled;
    slirp_library().pollfds_poll_(slirp_.get(), failed, Callbacks::get_revents, this);
    looked_at_ = {};
    expire_timers();
    sockets_.look(now_ms());
    fail_if_asked();
}

bool SlirpNetwork::input(std::span<std::byte> frame)
{
    clear_urgent(frame);
    if (is_fragment(frame) || !sockets_.admits(frame)) return false;
    slirp_library().input_(slirp_.get(), reinterpret_cast<std::uint8_t const*>(frame.data()),
                           static_cast<int>(frame.size()));
    fail_if_asked();
    return true;
}

void SlirpNetwork::expire_timers()
{
    auto const now = now_ms();
    for (std::size_t i = 0; i < timers_.size(); ++i) { // a callback may make timers, or end its own
        auto& timer = *timers_[i];
        if (timer.expires_ms > now) continue;
        timer.expires_ms = Timer::never;
        timer.callback(timer.argument);
    }
}

} // namespace devices::net
