#include "devices/net/user_network.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <poll.h>
#include <span>
#include <stdexcept>
#include <system_error>

namespace devices::net {

/// Frames in the ring, as many as there were when it was looked at.
class UserNetwork::Source final : public FrameSource {
  public:
    explicit Source(FrameReader& reader) : reader_{&reader} {}

    [[nodiscard]] std::size_t read(Offload& offload, std::span<iovec const> into) override
    {
        auto const size = reader_->read(offload, into);
        offload = {.flags = Offload::checksum_valid}; // slirp has made it; nothing else is believed
        return size;
    }

  private:
    FrameReader* reader_;
};

UserNetwork::UserNetwork(LinkEnd link, std::unique_ptr<NetworkProcess> process, Warn warn)
    : warn_{std::move(warn)},
      process_{std::move(process)},
      memory_{link.memory.get()},
      socket_{std::move(link.socket)},
      to_network_{memory_.head().to_network, memory_.to_network()},
      to_guest_{memory_.head().to_guest, memory_.to_guest()}
{
    await_ready();
}

void UserNetwork::await_ready()
{
    constexpr std::chrono::seconds patience{30};
    auto const until = std::chrono::steady_clock::now() + patience;
    for (;;) {
        while (auto const message = socket_.receive()) {
            if (message->kind == LinkMessage::Ready) return;
            if (message->kind == LinkMessage::Failed) throw std::runtime_error{message->text};
        }
        if (socket_.gone()) throw std::runtime_error{"the user-mode network cannot begin: " + how_it_ended()};
        auto const left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        pollfd polled{socket_.fd(), POLLIN, 0};
        if (left.count() <= 0 || (::poll(&polled, 1, static_cast<int>(left.count())) == 0))
            throw std::runtime_error{"the user-mode network cannot begin: its process does not answer"};
    }
}

std::string UserNetwork::how_it_ended()
{
    return "its process " + (process_ ? process_->how_it_ended() : std::string{"has ended"});
}

void UserNetwork::start(FrameReceiver& receiver)
{
    receiver_ = &receiver;
    thread_.begin([this] { run(); },
                  [this](char const* why) {
                      receiver_->lost();
                      warn_(std::string{"the user-mode network has failed: "} + why +
                            ": its guest is off that network");
                      if (process_) process_->kill();
                  });
}

void UserNetwork::run()
{
    bool more = false;
    while (!thread_.ending()) {
        std::array polled{pollfd{thread_.event(), POLLIN, 0}, pollfd{socket_.fd(), POLLIN, 0}};
        if (::poll(polled.data(), polled.size(), more ? 0 : -1) < 0 && errno != EINTR)
            throw std::system_error{errno, std::generic_category(), "poll"};
        if (polled[0].revents != 0) thread_.clear();
        thread_.rest_if_asked();
        if (thread_.ending()) return;
        if (polled[1].revents != 0) take_messages();
        if (deaf_.load(std::memory_order_relaxed)) throw std::runtime_error{"its process does not react"};
        more = bring_frames();
    }
}

void UserNetwork::take_messages()
{
    constexpr unsigned at_once = 16; // it may send without an end
    for (unsigned i = 0; i < at_once; ++i) {
        auto const message = socket_.receive();
        if (socket_.gone()) throw std::runtime_error{how_it_ended()};
        if (!message) return;
        if (message->kind == LinkMessage::Failed) throw std::runtime_error{message->text};
        if (message->kind == LinkMessage::Warning && warnings_ < most_warnings) {
            ++warnings_;
            warn_(message->text);
        }
    }
}

/// Whether there are others.
bool UserNetwork::bring_frames()
{
    if (blocked_.load(std::memory_order_acquire)) return false;
    if (!to_guest_.look()) return to_guest_.release();
    Source source{to_guest_};
    if (listening_.load(std::memory_order_acquire)) {
        blocked_.store(true, std::memory_order_release);
        if (!receiver_->receive(source)) {
            static_cast<void>(to_guest_.release());
            return !blocked_.load(std::memory_order_acquire); // room may have come again meanwhile
        }
        blocked_.store(false, std::memory_order_release);
    }
    receive_dropped_.fetch_add(to_guest_.skip_all(), std::memory_order_relaxed);
    return to_guest_.release();
}

void UserNetwork::room_again()
{
    if (blocked_.exchange(false, std::memory_order_acq_rel)) thread_.wake();
}

void UserNetwork::tell(LinkMessage message)
{
    if (socket_.send(message) || deaf_.exchange(true)) return;
    thread_.wake(); // which finds out whether it has gone
}

void UserNetwork::quiesce(hv::StillBusy busy)
{
    tell(LinkMessage::Pause);
    thread_.quiesce(std::move(busy));
}

void UserNetwork::resume()
{
    tell(LinkMessage::Resume);
    thread_.resume();
}

bool UserNetwork::send(Offload const& offload, std::span<iovec const> frame)
{
    std::size_t size = 0;
    for (auto const& piece : frame)
        size += piece.iov_len;
    auto taken = false;
    auto wake = false;
    {
        auto const to_network = to_network_.lock();
        taken = to_network->put(offload, frame, size);
        wake = to_network->publish();
    }
    if (!taken) send_dropped_.fetch_add(1, std::memory_order_relaxed);
    if (wake) socket_.send(LinkMessage::Wake); // when there is no room for it, others wait there to be read
    return taken;
}

void UserNetwork::inspect(hv::Inspector& inspector) const
{
    auto const& head = memory_.head();
    inspector.flag("listening", listening_.load(std::memory_order_relaxed));
    inspector.number("dropped_from_guest", send_dropped_.load(std::memory_order_relaxed) +
                                               head.dropped_from_guest.load(std::memory_order_relaxed));
    inspector.number("dropped_to_guest", receive_dropped_.load(std::memory_order_relaxed) +
                                             head.dropped_to_guest.load(std::memory_order_relaxed));
}

} // namespace devices::net
