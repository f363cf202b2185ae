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
        talk_.step = Step::Negotiating;
        talk_.waits_for_answer = false;
        if (!quiesced_) negotiate();
    }
    worker_.signal();
}

void Service::close()
{
    DeferredCalls deferred;
    ChannelWorker::Hold const hold{worker_};
    std::scoped_lock const lock{mutex_};
    channel_.reset();
    talk_.step = Step::Closed;
    talk_.waits_for_answer = false;
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
        if (std::exchange(talk_.tick_held, false) && talk_.step == Step::Ready) tick(deferred);
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
        ++talk_.ignored_packets;
        return;
    }
    ++talk_.answers;
    talk_.waits_for_answer = false;
    if (talk_.step == Step::Negotiating)
        take_versions(*answer, deferred);
    else if (talk_.step == Step::Ready)
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
    auto const expected = talk_.step == Step::Negotiating ? ic::MessageType::Negotiate : kind_.message;
    if (header.size > body.size() || !talk_.waits_for_answer || header.transaction != talk_.transaction ||
        header.type != expected)
        return std::nullopt;
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
    if (!send(header, body)) talk_.step = Step::NoCommonVersion; // a ring without room for the first packet
}

/// The guest answers with the versions it has chosen among those offered, each of which must be one of them.
void Service::take_versions(Answer const& answer, DeferredCalls& deferred)
{
    ic::Negotiate counts{};
    std::array<ic::Version, 2> chosen{};
    talk_.step = Step::NoCommonVersion;
    if (!answer.read(counts) || !answer.read(chosen, sizeof counts)) return;
    if (counts.framework_count != 1 || counts.message_count != 1) return;
    if (!contains(std::span<ic::Version const>{framework_versions}, chosen[0])) return;
    if (!contains(kind_.versions, chosen[1])) return;
    talk_.framework = chosen[0];
    talk_.version = chosen[1];
    talk_.step = Step::Ready;
    ready(deferred);
}

bool Service::ask(std::span<std::byte const> body)
{
    if (talk_.step != Step::Ready || quiesced_) return false;
    ic::Header header{};
    header.framework = talk_.framework;
    header.type = kind_.message;
    header.message = talk_.version;
    return send(header, body);
}

bool Service::send(ic::Header header, std::span<std::byte const> body)
{
    if (talk_.waits_for_answer) return false;
    header.size = static_cast<std::uint16_t>(body.size());
    header.transaction = ++talk_.transaction;
    header.flags = ic::flags::transaction | ic::flags::request;
    ic::PipeHeader const pipe{ic::pipe_data, static_cast<std::uint32_t>(sizeof header + body.size())};
    hv::abi::PacketDescriptor descriptor{};
    descriptor.type = hv::abi::PacketType::DataInband;
    if (!channel_->outgoing().write(descriptor, {},
                                    {std::as_bytes(std::span{&pipe, 1}), std::as_bytes(std::span{&header, 1}), body}))
        return false;
    ++talk_.questions;
    talk_.waits_for_answer = true;
    channel_->publish();
    return true;
}

void Service::tick_after(std::chrono::milliseconds delay)
{
    if (std::exchange(talk_.tick_to_come, true)) return;
    talk_.tick_delay = delay;
    executor_.run_after(delay, [weak = weak_from_this()] {
        if (auto const self = weak.lock()) self->on_tick();
    });
}

void Service::on_tick()
{
    DeferredCalls deferred;
    std::scoped_lock const lock{mutex_};
    talk_.tick_to_come = false;
    if (quiesced_)
        talk_.tick_held = true;
    else if (talk_.step == Step::Ready)
        tick(deferred);
}

std::string_view Service::step_name() const
{
    switch (talk_.step) {
    case Step::Closed: return "closed";
    case Step::Negotiating: return "negotiating";
    case Step::Ready: return "ready";
    case Step::NoCommonVersion: return "no common version";
    }
    return "";
}

void Service::inspect(hv::Inspector& inspector) const
{
    std::scoped_lock const lock{mutex_};
    inspector.text("service", kind_.name);
    inspector.text("state", step_name());
    if (talk_.step == Step::Ready)
        inspector.text("version", std::to_string(talk_.version.major) + '.' + std::to_string(talk_.version.minor));
    show(inspector, talk_);
    inspect_more(inspector);
}

void Service::visit(hv::StateVisitor& visitor)
{
    std::scoped_lock const lock{mutex_};
    hv::visit(visitor, talk_);
    visit_more(visitor);
    if (visitor.restores()) make_sense_of_restored();
}

/// A tick that was to come does so after its whole delay.
void Service::make_sense_of_restored()
{
    constexpr std::chrono::milliseconds longest = std::chrono::minutes{1};
    bool const known = talk_.step == Step::Negotiating || talk_.step == Step::Ready;
    if (!channel_) {
        talk_.step = Step::Closed;
        talk_.waits_for_answer = false;
    } else if (!known) {
        talk_.step = Step::NoCommonVersion;
    }
    if (std::exchange(talk_.tick_to_come, false))
        tick_after(std::clamp(talk_.tick_delay, std::chrono::milliseconds{0}, longest));
}

} // namespace devices::vmbus
