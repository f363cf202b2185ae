#include "devices/vmbus/services/service.hpp"

#include "devices/vmbus/channel/serve_packets.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace devices::vmbus {

namespace {

/// Linux drivers/hv/hv_util.c knows these two.
constexpr std::array<ic::Version, 2> framework_versions{{{1, 0}, {3, 0}}};

template <typename T>
bool contains(std::span<T const> all, T const& one)
{
    return std::ranges::find(all, one) != all.end();
}

} // namespace

hv::vmbus::OfferSpec Service::offer() const
{
    namespace flags = hv::vmbus::channel_flags;
    hv::vmbus::OfferSpec spec;
    spec.interface = kind_.interface;
    spec.instance = kind_.instance;
    spec.flags = flags::enumerate_device_interface | flags::named_pipe_mode;
    std::memcpy(spec.user_defined.data(), &ic::pipe_mode_message, sizeof ic::pipe_mode_message);
    return spec;
}

bool Service::listens() const
{
    std::scoped_lock const lock{mutex_};
    return is_ready();
}

void Service::open(std::shared_ptr<hv::vmbus::Channel> channel)
{
    {
        std::scoped_lock const lock{mutex_};
        channel_ = std::move(channel);
        state_ = State::Negotiating;
        asked_.reset();
        negotiate();
    }
    worker_.signal();
}

void Service::close()
{
    DeferredCalls deferred;
    ChannelWorker::Hold const hold{worker_};
    std::scoped_lock const lock{mutex_};
    channel_.reset();
    state_ = State::Closed;
    asked_.reset();
    closed(deferred);
}

void Service::quiesce(hv::StillBusy busy)
{
    worker_.quiesce(std::move(busy));
    std::scoped_lock const lock{mutex_};
    quiesced_ = true;
}

void Service::resume()
{
    {
        DeferredCalls deferred;
        std::scoped_lock const lock{mutex_};
        quiesced_ = false;
        if (std::exchange(tick_held_, false) && state_ == State::Ready) tick(deferred);
    }
    worker_.resume();
}

void Service::signalled()
{
    worker_.signal();
}

Served::Left Service::serve(Turn& turn)
{
    DeferredCalls deferred;
    std::scoped_lock const lock{mutex_};
    if (!channel_) return Left::Nothing;
    return serve_packets(turn, *channel_, [&](hv::vmbus::Packet const& packet) { take(packet, deferred); });
}

void Service::take(hv::vmbus::Packet const& packet, DeferredCalls& deferred)
{
    auto const answer = answer_in(packet);
    if (!answer) {
        ++ignored_;
        return;
    }
    ++answers_;
    asked_.reset();
    if (state_ == State::Negotiating)
        take_versions(*answer, deferred);
    else if (state_ == State::Ready)
        answered(*answer, deferred);
}

/// What the guest says to the question that waits for it, if that is what the packet is.
std::optional<Service::Answer> Service::answer_in(hv::vmbus::Packet const& packet) const
{
    ic::Header header{};
    if (packet.type() != hv::abi::PacketType::DataInband) return std::nullopt;
    if (!packet.read(header, sizeof(ic::PipeHeader)) || (header.flags & ic::flags::response) == 0)
        return std::nullopt;
    auto const body = packet.payload.subspan(sizeof(ic::PipeHeader) + sizeof header);
    auto const expected = state_ == State::Negotiating ? ic::MessageType::Negotiate : kind_.message;
    if (header.size > body.size() || header.transaction != asked_ || header.type != expected) return std::nullopt;
    return Answer{header.status, body.first(header.size)};
}

void Service::negotiate()
{
    ic::Negotiate const counts{static_cast<std::uint16_t>(framework_versions.size()),
                               static_cast<std::uint16_t>(kind_.versions.size()), 0};
    std::vector<std::byte> body(sizeof counts + std::as_bytes(std::span{framework_versions}).size() +
                                kind_.versions.size_bytes());
    auto* at = body.data();
    std::memcpy(at, &counts, sizeof counts);
    at += sizeof counts;
    std::memcpy(at, framework_versions.data(), sizeof framework_versions);
    at += sizeof framework_versions;
    std::memcpy(at, kind_.versions.data(), kind_.versions.size_bytes());

    ic::Header header{};
    header.type = ic::MessageType::Negotiate;
    if (!send(header, body)) state_ = State::NoCommonVersion; // a ring without room for the first packet
}

/// The guest answers with the versions it has chosen among those offered, each of which must be one of them.
void Service::take_versions(Answer const& answer, DeferredCalls& deferred)
{
    ic::Negotiate counts{};
    std::array<ic::Version, 2> chosen{};
    state_ = State::NoCommonVersion;
    if (!answer.read(counts) || !answer.read(chosen, sizeof counts)) return;
    if (counts.framework_count != 1 || counts.message_count != 1) return;
    if (!contains(std::span<ic::Version const>{framework_versions}, chosen[0])) return;
    if (!contains(kind_.versions, chosen[1])) return;
    framework_ = chosen[0];
    version_ = chosen[1];
    state_ = State::Ready;
    ready(deferred);
}

bool Service::ask(std::span<std::byte const> body)
{
    if (state_ != State::Ready || quiesced_) return false;
    ic::Header header{};
    header.framework = framework_;
    header.type = kind_.message;
    header.message = version_;
    return send(header, body);
}

bool Service::send(ic::Header header, std::span<std::byte const> body)
{
    if (asked_) return false;
    header.size = static_cast<std::uint16_t>(body.size());
    header.transaction = ++transaction_;
    header.flags = ic::flags::transaction | ic::flags::request;
    ic::PipeHeader const pipe{ic::pipe_data, static_cast<std::uint32_t>(sizeof header + body.size())};
    hv::abi::PacketDescriptor descriptor{};
    descriptor.type = hv::abi::PacketType::DataInband;
    if (!channel_->outgoing().write(descriptor, {},
                                    {std::as_bytes(std::span{&pipe, 1}), std::as_bytes(std::span{&header, 1}), body}))
        return false;
    ++questions_;
    asked_ = header.transaction;
    channel_->publish();
    return true;
}

void Service::tick_after(std::chrono::milliseconds delay)
{
    if (std::exchange(tick_to_come_, true)) return;
    executor_.run_after(delay, [weak = weak_from_this()] {
        if (auto const self = weak.lock()) self->on_tick();
    });
}

void Service::on_tick()
{
    DeferredCalls deferred;
    std::scoped_lock const lock{mutex_};
    tick_to_come_ = false;
    if (quiesced_)
        tick_held_ = true;
    else if (state_ == State::Ready)
        tick(deferred);
}

std::string_view Service::state_name() const
{
    switch (state_) {
    case State::Closed: return "closed";
    case State::Negotiating: return "negotiating";
    case State::Ready: return "ready";
    case State::NoCommonVersion: return "no common version";
    }
    return "";
}

void Service::inspect(hv::Inspector& inspector) const
{
    std::scoped_lock const lock{mutex_};
    inspector.text("service", kind_.name);
    inspector.text("state", state_name());
    if (state_ == State::Ready)
        inspector.text("version", std::to_string(version_.major) + '.' + std::to_string(version_.minor));
    inspector.flag("waits_for_answer", asked_.has_value());
    inspector.number("questions", questions_);
    inspector.number("answers", answers_);
    inspector.number("ignored_packets", ignored_);
    inspect_more(inspector);
}

} // namespace devices::vmbus
