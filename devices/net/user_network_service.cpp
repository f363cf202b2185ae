#include "devices/net/user_network_service.hpp"

#include "devices/base/os_error.hpp"
#include "devices/net/checksum.hpp"

#include <array>
#include <exception>
#include <string>
#include <sys/uio.h>
#include <utility>

namespace devices::net {

UserNetworkService::UserNetworkService(LinkEnd link)
    : memory_{link.memory.get()},
      socket_{std::move(link.socket)},
      from_guest_{memory_.head().to_network, memory_.to_network()},
      to_guest_{memory_.head().to_guest, memory_.to_guest()},
      frame_(largest_frame)
{}

bool UserNetworkService::open(std::vector<PortForward> const& forwards, BootFiles const& files)
try {
    network_.emplace(
        forwards, [this](std::span<std::byte const> frame) { bring(frame); },
        [this](std::string const& text) { socket_.send(LinkMessage::Warning, text); }, files);
    return true;
} catch (std::exception const& error) {
    fail(os_error(error).c_str());
    return false;
}

void UserNetworkService::run()
{
    socket_.send(LinkMessage::Ready);
    while (!socket_.gone()) {
        wait();
        take_messages();
        if (!paused()) take_frames();
        publish();
    }
}

void UserNetworkService::wait()
{
    polled_.assign(1, {socket_.fd(), POLLIN, 0});
    auto timeout = paused() ? -1 : network_->add_polled(polled_);
    if (more_ && !paused()) timeout = 0;
    auto const failed = ::poll(polled_.data(), polled_.size(), timeout) < 0;
    if (failed) ::poll(polled_.data(), 1, SlirpSockets::pause_ms); // no memory for it: not at once again
    if (!paused()) network_->work(polled_, failed);
}

void UserNetworkService::take_messages()
{
    if (polled_.front().revents == 0) return;
    while (auto const message = socket_.receive()) {
        if (message->kind == LinkMessage::Pause && !paused()) paused_since_ = Clock::now();
        if (message->kind == LinkMessage::Resume && paused()) {
            network_->rested(Clock::now() - *paused_since_);
            paused_since_.reset();
        }
    }
}

/// Those that are there now: others' sockets come between.
void UserNetworkService::take_frames()
{
    auto& dropped = memory_.head().dropped_from_guest;
    from_guest_.look();
    Offload offload;
    iovec const whole{frame_.data(), frame_.size()};
    while (auto const size = from_guest_.read(offload, {&whole, 1})) {
        if (offload.flags & Offload::needs_checksum) fill_in_checksum(offload, {&whole, 1}, size);
        if (!network_->input({frame_.data(), size})) dropped.fetch_add(1, std::memory_order_relaxed);
    }
    more_ = from_guest_.release();
}

void UserNetworkService::bring(std::span<std::byte const> frame)
{
    constexpr std::size_t soon = LinkMemory::to_guest_size / 4;
    iovec const whole{const_cast<std::byte*>(frame.data()), frame.size()};
    if (!to_guest_.put({.flags = Offload::checksum_valid}, {&whole, 1}, frame.size()))
        memory_.head().dropped_to_guest.fetch_add(1, std::memory_order_relaxed);
    if (to_guest_.unpublished() > soon) publish();
}

void UserNetworkService::publish()
{
    if (to_guest_.publish()) socket_.send(LinkMessage::Wake); // when there is no room for it, others wait there
}

} // namespace devices::net
