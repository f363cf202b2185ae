#include "devices/net/tap.hpp"

#include "devices/base/host_file.hpp"
#include "devices/base/os_error.hpp"

#include <linux/if_tun.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <net/if.h>
#include <stdexcept>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <system_error>

namespace devices::net {

namespace {

constexpr std::size_t most_pieces = 256; ///< of a frame, with the header before it

UniqueFd open_tun()
{
    UniqueFd fd{open_host_file("/dev/net/tun", FileAccess::ReadWrite)};
    if (fd) return fd;
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
        throw std::runtime_error{"this machine has no /dev/net/tun: load it with 'modprobe tun'"};
    if (errno == EACCES || errno == EPERM)
        throw std::runtime_error{"no permission to open /dev/net/tun: run as root, or change its mode"};
    throw std::runtime_error{std::string{"cannot open /dev/net/tun: "} + os_error(errno)};
}

[[noreturn]] void refuse(std::string const& name, int error)
{
    auto const quoted = "'" + name + "'";
    if (error == EBUSY)
        throw std::runtime_error{"tap " + quoted + " is in use by another program: each guest needs its own"};
    if (error == EPERM || error == EACCES)
        throw std::runtime_error{"no permission to use tap " + quoted +
                                 ": run as root, or let root do 'ip tuntap add " + name + " mode tap user USER'"};
    if (error == EINVAL)
        throw std::runtime_error{"the interface " + quoted +
                                 " is no tap: make one with 'ip tuntap add NAME mode tap'"};
    throw std::runtime_error{"cannot use tap " + quoted + ": " + os_error(error)};
}

bool attach(int fd, std::string const& name, short flags)
{
    ifreq request{};
    std::copy(name.begin(), name.end(), request.ifr_name);
    request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | flags);
    return ::ioctl(fd, TUNSETIFF, &request) == 0;
}

/// A queue that is detached gets no frames.
bool set_attached(int fd, bool attached)
{
    ifreq request{};
    request.ifr_flags = attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE;
    return ::ioctl(fd, TUNSETQUEUE, &request) == 0;
}

/// The first queue is attached, the others are not.
std::vector<UniqueFd> open_queues(std::string const& name, std::size_t count)
{
    if (name.empty() || name.size() >= IFNAMSIZ)
        throw std::runtime_error{"'" + name + "' is no interface name: those have 1 to 15 characters"};
    // Root would get a new interface, which nothing is connected to and which goes with the guest: never what was
    // meant.
    if (::if_nametoindex(name.c_str()) == 0)
        throw std::runtime_error{"there is no interface '" + name + "': make it with 'ip tuntap add " + name +
                                 " mode tap user USER' and 'ip link set " + name + " up'"};
    std::vector<UniqueFd> queues;
    queues.push_back(open_tun());
    auto const fd = queues[0].get();
    auto const one = attach(fd, name, 0);
    if (!one && (errno != EINVAL || !attach(fd, name, IFF_MULTI_QUEUE))) refuse(name, errno);
    int header = sizeof(Offload);
    if (::ioctl(fd, TUNSETVNETHDRSZ, &header) < 0 || ::ioctl(fd, TUNSETOFFLOAD, 0UL) < 0) refuse(name, errno);
    while (!one && queues.size() < count) {
        queues.push_back(open_tun());
        auto const next = queues.back().get();
        if (!attach(next, name, IFF_MULTI_QUEUE) || !set_attached(next, false)) refuse(name, errno);
    }
    return queues;
}

} // namespace

Tap::Tap(std::string name, std::size_t channels, std::function<void(std::string const&)> report)
    : name_{std::move(name)},
      report_{std::move(report)},
      queues_{open_queues(name_, channels)},
      poll_{::epoll_create1(EPOLL_CLOEXEC)},
      reading_{queues_[0].get()}
{
    auto const add = [this](int fd, std::uint32_t events) {
        epoll_event event{.events = events, .data = {.fd = fd}};
        if (!poll_ || ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, fd, &event) < 0)
            throw std::system_error{errno, std::generic_category(), "epoll"};
    };
    for (auto const& queue : queues_)
        add(queue.get(), EPOLLIN | EPOLLET);
    add(thread_.event(), EPOLLIN);
}

void Tap::start(FrameReceiver& receiver)
{
    receiver_ = &receiver;
    thread_.begin([this] { run(); },
                  [this](char const* why) { end(std::string{"the tap '"} + name_ + "' has failed: " + why); });
}

/// Frames that come in a row are read until none is left. A single one is read once: that there is no second is found
/// out by the wait for the next, which comes anyway.
void Tap::run()
{
    using Clock = std::chrono::steady_clock;
    constexpr std::chrono::microseconds in_a_row{20};
    bool blocked = false; // the receiver has no room
    Clock::time_point last{};
    while (!gone_.load(std::memory_order_relaxed)) {
        epoll_event event;
        auto const events = ::epoll_wait(poll_.get(), &event, 1, -1);
        if (events == 1 && event.data.fd == thread_.event()) {
            if (thread_.ending()) return;
            thread_.clear();
            thread_.rest_if_asked();
            attach_queues();
            thread_.run_tasks();
        } else if (events == 1 && (event.events & EPOLLERR) != 0) {
            break; // the interface is being removed, or has been
        } else if (events == 1) {
            reading_ = event.data.fd;
        }
        if (resumed_.exchange(false, std::memory_order_acq_rel)) blocked = false;
        auto const wanted = !blocked && listening_.load(std::memory_order_acquire);
        watch(wanted);
        if (!wanted) continue;
        frames_left_ = Clock::now() - last < in_a_row ? all_frames : 1;
        blocked = !receiver_->receive(*this);
        last = Clock::now();
    }
    end("the tap '" + name_ + "' has gone");
}

void Tap::end(std::string const& why)
{
    gone_.store(true);
    receiver_->lost();
    report_(why + ": its guest is off that network");
    thread_.run_tasks_until_end();
}

/// That an interface is being removed wakes only who waits for its frames. Who wants none is told of each once.
void Tap::watch(bool wanted)
{
    if (wanted == watched_) return;
    watched_ = wanted;
    for (auto const& queue : queues_) {
        epoll_event event{.events = wanted ? EPOLLIN : EPOLLIN | EPOLLET, .data = {.fd = queue.get()}};
        watched_ = ::epoll_ctl(poll_.get(), EPOLL_CTL_MOD, queue.get(), &event) == 0 && watched_;
    }
}

void Tap::use_channels(std::size_t count)
{
    if (channels_.exchange(count) != count && queues_.size() > 1) thread_.wake();
}

void Tap::attach_queues()
{
    auto const wanted = std::clamp<std::size_t>(channels_.load(), 1, queues_.size());
    while (attached_ < wanted && set_attached(queues_[attached_].get(), true))
        ++attached_;
    while (attached_ > wanted && set_attached(queues_[attached_ - 1].get(), false))
        --attached_;
}

std::size_t Tap::read(Offload& offload, std::span<iovec const> into)
{
    std::array<iovec, most_pieces> pieces;
    auto const used = std::min(into.size(), pieces.size() - 1);
    pieces[0] = {&offload, sizeof offload};
    std::copy_n(into.begin(), used, pieces.begin() + 1);
    while (frames_left_ > 0) {
        auto const size = ::readv(reading_, pieces.data(), static_cast<int>(used + 1));
        if (size > static_cast<ssize_t>(sizeof offload)) {
            --frames_left_;
            return static_cast<std::size_t>(size) - sizeof offload;
        }
        if (size >= 0) continue; // no frame is empty
        if (errno == EINTR) continue;
        if (errno == EBADFD) gone_.store(true, std::memory_order_relaxed);
        return 0;
    }
    return 0;
}

bool Tap::send_on(std::size_t channel, Offload const& offload, std::span<iovec const> frame)
{
    if (frame.size() >= most_pieces) return false;
    std::array<iovec, most_pieces> pieces;
    auto header = offload;
    pieces[0] = {&header, sizeof header};
    std::copy(frame.begin(), frame.end(), pieces.begin() + 1);
    ssize_t written = -1;
    do {
        written =
            ::writev(queues_[channel % queues_.size()].get(), pieces.data(), static_cast<int>(frame.size() + 1));
    } while (written < 0 && errno == EINTR);
    if (written >= 0) return true;
    refused_.fetch_add(1, std::memory_order_relaxed);
    return false;
}

void Tap::listen(ReceiveOffloads offloads)
{
    unsigned long bits = 0;
    if (offloads.checksum) {
        bits |= TUN_F_CSUM;
        if (offloads.large4) bits |= TUN_F_TSO4;
        if (offloads.large6) bits |= TUN_F_TSO6;
        if (offloads.large4 || offloads.large6) bits |= TUN_F_TSO_ECN;
    }
    ::ioctl(queues_[0].get(), TUNSETOFFLOAD, bits); // fails when the interface has gone
    if (listening_.load(std::memory_order_acquire)) return;
    discard_waiting();
    listening_.store(true, std::memory_order_release);
    thread_.wake();
}

void Tap::discard_waiting()
{
    constexpr unsigned enough = 4096; // a host that never ceases to send must not keep us here
    std::array<std::byte, 64> frame;
    for (auto const& queue : queues_) {
        for (unsigned i = 0; i<enough&& ::read(queue.get(), frame.data(), frame.size())> 0; ++i) {
        }
    }
}

void Tap::room_again()
{
    resumed_.store(true, std::memory_order_release);
    thread_.wake();
}

void Tap::inspect(hv::Inspector& inspector) const
{
    inspector.flag("listening", listening_.load(std::memory_order_relaxed));
    inspector.flag("gone", gone_.load(std::memory_order_relaxed));
    inspector.number("queues", queues_.size());
    inspector.number("refused_by_kernel", refused_.load(std::memory_order_relaxed));
}

} // namespace devices::net
