#include "devices/net/user_network.hpp"

#include "devices/base/os_error.hpp"
#include "devices/net/checksum.hpp"
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

/// One frame, which lies in this process.
class OneFrame final : public FrameSource {
  public:
    explicit OneFrame(std::span<std::byte const> frame) : frame_{frame} {}

    [[nodiscard]] bool taken() const { return frame_.empty(); }

    [[nodiscard]] std::size_t read(Offload& offload, std::span<iovec const> into) override
    {
        offload = {.flags = Offload::checksum_valid}; // slirp has made it
        std::size_t done = 0;
        for (auto const& piece : into) {
            auto const size = std::min(piece.iov_len, frame_.size() - done);
            if (size == 0) break;
            std::memcpy(piece.iov_base, frame_.data() + done, size);
            done += size;
        }
        frame_ = {};
        return done;
    }

  private:
    std::span<std::byte const> frame_;
};

} // namespace

struct UserNetwork::Callbacks {
    static UserNetwork& network(void* opaque) { return *static_cast<UserNetwork*>(opaque); }

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
        hold_back(opaque, [&] { network(opaque).deliver({static_cast<std::byte const*>(frame), size}); });
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
    static void notify(void* opaque) { network(opaque).thread_.wake(); }

    static constexpr int not_polled = -1;

    static int add_forward(int fd, int, void* opaque)
    {
        hold_back(opaque, [&] { network(opaque).sockets_.forwarding(fd); });
        return not_polled;
    }
    static int add_poll(int fd, int events, void* opaque)
    {
        auto& polled = network(opaque).polled_;
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
        auto const& ready = network(opaque).polled_[static_cast<std::size_t>(index)];
        auto ignored = false;
        hold_back(opaque, [&] {
            if (ready.revents == 0) return;
            ignored = sockets.listens(ready.fd) ? !sockets.may_accept(network(opaque).now_ms())
                                                : sockets.readable_in_vain(ready.fd);
        });
        return ignored ? 0 : from_poll(ready.revents);
    }
};

void UserNetwork::Free::operator()(Slirp* slirp) const
{
    slirp_library().cleanup_(slirp);
}

UserNetwork::UserNetwork(std::vector<PortForward> const& forwards, Warn warn)
    : warn_{std::move(warn)}, sockets_{warn_}
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
    waiting_.reserve(most_waiting); // so that nothing is allocated while the guest runs
    taken_.reserve(most_waiting);
    forward(forwards);
}

void UserNetwork::forward(std::vector<PortForward> const& forwards)
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

void UserNetwork::start(FrameReceiver& receiver)
{
    receiver_ = &receiver;
    thread_.begin([this] { run(); },
                  [this](char const* why) {
                      receiver_->lost();
                      warn_(std::string{"the user-mode network has failed: "} + why +
                            ": its guest is off that network");
                  });
}

std::int64_t UserNetwork::now_ns() const
{
    auto const now = std::chrono::steady_clock::now().time_since_epoch() - rested_;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

void UserNetwork::run()
{
    while (!thread_.ending()) {
        rested_ += thread_.rest_if_asked();
        poll();
        input_waiting();
        expire_timers();
        sockets_.look(now_ms());
        fail_if_asked();
    }
}

void UserNetwork::fail_if_asked()
{
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void UserNetwork::poll()
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
    polled_.assign(1, {thread_.event(), POLLIN, 0});
    slirp_library().pollfds_fill_(slirp_.get(), &timeout, Callbacks::add_poll, this);
    auto const forever = timeout == std::numeric_limits<std::uint32_t>::max();
    auto const ready = ::poll(polled_.data(), polled_.size(), forever ? -1 : static_cast<int>(timeout));
    if (ready < 0) ::poll(polled_.data(), 1, SlirpSockets::pause_ms); // no memory for it: not at once again
    slirp_library().pollfds_poll_(slirp_.get(), ready < 0, Callbacks::get_revents, this);
    if (polled_.front().revents != 0) thread_.clear();
}

void UserNetwork::input_waiting()
{
    {
        std::lock_guard const lock{lock_};
        taken_.swap(waiting_);
    }
    for (std::size_t at = 0; at < taken_.size();) {
        std::uint64_t size = 0;
        std::memcpy(&size, taken_.data() + at, sizeof size);
        at += sizeof size;
        std::span const frame{taken_.data() + at, size};
        at += size;
        clear_urgent(frame);
        if (!is_fragment(frame) && sockets_.admits(frame))
            slirp_library().input_(slirp_.get(), reinterpret_cast<std::uint8_t const*>(frame.data()),
                                   static_cast<int>(frame.size()));
        else
            send_dropped_.fetch_add(1, std::memory_order_relaxed);
    }
    taken_.clear();
}

void UserNetwork::expire_timers()
{
    auto const now = now_ms();
    for (std::size_t i = 0; i < timers_.size(); ++i) { // a callback may make timers, or end its own
        auto& timer = *timers_[i];
        if (timer.expires_ms > now) continue;
        timer.expires_ms = Timer::never;
        timer.callback(timer.argument);
    }
}

/// libslirp checks checksums, and minds no length of IPv4 packets: what TCP data they have goes on to a socket.
bool UserNetwork::send(Offload const& offload, std::span<iovec const> frame)
{
    std::uint64_t size = 0;
    for (auto const& piece : frame)
        size += piece.iov_len;
    bool first = false;
    {
        std::lock_guard const lock{lock_};
        if (size > largest_frame || waiting_.size() + sizeof size + size > most_waiting) {
            send_dropped_.fetch_add(1, std::memory_order_relaxed);
            return false;
        }
        first = waiting_.empty();
        auto at = waiting_.size();
        waiting_.resize(at + sizeof size + size);
        std::memcpy(waiting_.data() + at, &size, sizeof size);
        at += sizeof size;
        iovec const copy{waiting_.data() + at, size};
        for (auto const& piece : frame) {
            if (piece.iov_len == 0) continue; // it may point nowhere
            std::memcpy(waiting_.data() + at, piece.iov_base, piece.iov_len);
            at += piece.iov_len;
        }
        auto left = offload;
        if (left.flags & Offload::needs_checksum) fill_in_checksum(left, {&copy, 1}, size);
    }
    if (first) thread_.wake();
    return true;
}

void UserNetwork::deliver(std::span<std::byte const> frame)
{
    OneFrame source{frame};
    if (receiver_ && listening_.load(std::memory_order_acquire)) {
        [[maybe_unused]] auto const room = receiver_->receive(source);
    }
    if (!source.taken()) receive_dropped_.fetch_add(1, std::memory_order_relaxed);
}

void UserNetwork::inspect(hv::Inspector& inspector) const
{
    inspector.flag("listening", listening_.load(std::memory_order_relaxed));
    inspector.number("dropped_from_guest", send_dropped_.load(std::memory_order_relaxed));
    inspector.number("dropped_to_guest", receive_dropped_.load(std::memory_order_relaxed));
}

} // namespace devices::net
