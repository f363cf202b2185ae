#include "devices/vmbus/socket/connection.hpp"

#include "devices/vmbus/socket/protocol.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <utility>

namespace devices::vmbus::socket {

namespace {

/// What one turn moves at most to the guest: others wait for the thread.
constexpr unsigned packets_to_guest = 32;

constexpr std::size_t fewest_bytes = 256;

/// The longest packet of which a ring takes two at a time; 0 when it is too small for any use.
std::size_t suitable_packet(hv::vmbus::OutgoingRing const& ring)
{
    auto bytes = most_bytes;
    while (bytes >= fewest_bytes && !ring.has_room(2 * (bytes + sizeof(PacketHeader))))
        bytes /= 2;
    return bytes >= fewest_bytes ? bytes : 0;
}

/// How many bytes the socket took; -1 with errno.
ssize_t send_to(UniqueFd const& fd, std::span<std::byte const> bytes)
{
    return ::send(fd.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

} // namespace

void Connection::open(std::shared_ptr<hv::vmbus::Channel> channel)
{
    DeferredCalls deferred;
    if (ends_.lock()->open(std::move(channel), deferred)) worker_.signal();
}

bool Connection::Ends::open(std::shared_ptr<hv::vmbus::Channel> channel, DeferredCalls& deferred)
{
    if (state_.ended) return false;
    state_.opened = true;
    channel_ = std::move(channel);
    bytes_in_packet_ = suitable_packet(channel_->outgoing());
    auto const greeting = std::as_bytes(std::span{parts_.greeting});
    bool const greeted = greeting.empty() || send_to(parts_.host, greeting) == std::ssize(greeting);
    if (bytes_in_packet_ == 0 || !greeted) {
        finish(deferred);
        return false;
    }
    state_.may_read_host = true;
    return true;
}

void Connection::signalled()
{
    worker_.signal();
}

void Connection::host_ready()
{
    ends_.lock()->host_ready();
    worker_.signal();
}

void Connection::Ends::host_ready()
{
    asked_ = 0;
    state_.may_read_host = true;
}

void Connection::close()
{
    end();
}

void Connection::end()
{
    DeferredCalls deferred;
    ChannelWorker::Hold const hold{worker_};
    ends_.lock()->finish(deferred);
}

bool Connection::was_opened() const
{
    return ends_.lock()->was_opened();
}

/// What is left after a turn goes on when the poller says that the socket is ready: its thread comes to all
/// connections in turn.
Served::Left Connection::serve(Turn& turn)
{
    DeferredCalls deferred;
    ends_.lock()->serve(turn, deferred);
    return Left::Nothing;
}

void Connection::Ends::serve(Turn& turn, DeferredCalls& deferred)
{
    if (!channel_) return;
    bool const goes_on = guest_to_host(turn) && host_to_guest();
    channel_->publish();
    if (!goes_on || (state_.guest_told && (state_.host_told || state_.host_deaf)))
        finish(deferred);
    else
        ask_poller();
}

bool Connection::Ends::guest_to_host(Turn& turn)
{
    flush_to_host();
    hv::vmbus::Packet packet{};
    state_.more_from_guest = false;
    while (to_host_.empty()) {
        if (turn.over()) {
            state_.more_from_guest = true;
            break;
        }
        auto const next = channel_->incoming().next(packet);
        if (next == hv::vmbus::IncomingRing::Next::Empty) break;
        if (next == hv::vmbus::IncomingRing::Next::Broken || !take(packet)) return false;
        turn.count_packet();
    }
    if (state_.guest_finished && to_host_.empty() && !std::exchange(state_.host_told, true))
        ::shutdown(parts_.host.get(), SHUT_WR);
    return true;
}

bool Connection::Ends::take(hv::vmbus::Packet const& packet)
{
    PacketHeader header{};
    if (packet.type() != hv::abi::PacketType::DataInband || !packet.read(header)) return false;
    auto const bytes = packet.payload.subspan(sizeof header);
    if (header.type != packet_data || header.size > bytes.size()) return false;
    if (header.size == 0) {
        state_.guest_finished = true;
        return true;
    }
    if (state_.guest_finished) return false;
    give_host(bytes.first(header.size));
    return true;
}

void Connection::Ends::give_host(std::span<std::byte const> bytes)
{
    if (state_.host_deaf) return;
    auto const sent = send_to(parts_.host, bytes);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        state_.host_deaf = true;
        return;
    }
    auto const rest = bytes.subspan(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
    state_.bytes_to_host += bytes.size() - rest.size();
    to_host_.assign(rest.begin(), rest.end());
}

void Connection::Ends::flush_to_host()
{
    if (to_host_.empty()) return;
    auto const bytes = std::exchange(to_host_, {});
    give_host(bytes);
}

bool Connection::Ends::host_to_guest()
{
    if (!to_guest_.empty() && give_guest(to_guest_)) to_guest_ = {};
    std::array<std::byte, most_bytes> buffer;
    for (unsigned i = 0; state_.may_read_host && to_guest_.empty() && !state_.host_finished; ++i) {
        if (i == packets_to_guest) break;
        auto const count = ::recv(parts_.host.get(), buffer.data(), bytes_in_packet_, MSG_DONTWAIT);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno != EAGAIN) return false;
        if (count < 0) {
            state_.may_read_host = false;
        } else if (count == 0) {
            state_.host_finished = true;
        } else {
            auto const bytes = std::span{buffer}.first(static_cast<std::size_t>(count));
            if (!give_guest(bytes)) to_guest_.assign(bytes.begin(), bytes.end());
        }
    }
    if (state_.host_finished && to_guest_.empty() && !state_.guest_told) state_.guest_told = give_guest({});
    return true;
}

/// False when the ring has no room: then the guest signals once it has.
bool Connection::Ends::give_guest(std::span<std::byte const> bytes)
{
    PacketHeader const header{packet_data, static_cast<std::uint32_t>(bytes.size())};
    hv::abi::PacketDescriptor descriptor{};
    descriptor.type = hv::abi::PacketType::DataInband;
    if (!channel_->outgoing().write(descriptor, {}, {std::as_bytes(std::span{&header, 1}), bytes})) return false;
    state_.bytes_to_guest += bytes.size();
    return true;
}

void Connection::Ends::ask_poller()
{
    bool const wants_read = to_guest_.empty() && !state_.host_finished;
    bool const wants_write = !to_host_.empty() || state_.more_from_guest;
    std::uint32_t const events = (wants_read ? EPOLLIN : 0U) | (wants_write ? EPOLLOUT : 0U);
    // A socket whose other end is gone is always ready, whatever it is asked about: so it is not asked for nothing.
    if (events == 0 || events == asked_) return;
    parts_.poller->ask(parts_.host.get(), parts_.id, events);
    asked_ = events;
}

void Connection::Ends::finish(DeferredCalls& deferred)
{
    if (std::exchange(state_.ended, true)) return;
    parts_.host.reset();
    channel_.reset();
    to_host_ = {};
    to_guest_ = {};
    deferred.add(std::exchange(parts_.ended, nullptr));
}

void Connection::visit(hv::StateVisitor& visitor)
{
    DeferredCalls deferred;
    ends_.lock()->visit(visitor, deferred);
}

void Connection::Ends::visit(hv::StateVisitor& visitor, DeferredCalls& deferred)
{
    hv::visit(visitor, state_);
    if (!visitor.restores()) return;
    state_.ended = false;
    finish(deferred);
}

void Connection::inspect(hv::Inspector& inspector) const
{
    ends_.lock()->inspect(inspector);
}

void Connection::Ends::inspect(hv::Inspector& inspector) const
{
    inspector.text("state", state_.ended ? "ended" : state_.opened ? "open" : "offered");
    show(inspector, state_);
    inspector.flag("host_is_full", !to_host_.empty());
    inspector.flag("guest_is_full", !to_guest_.empty());
}

} // namespace devices::vmbus::socket
