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
    return line_.lock()->is_ready();
}

void Service::open(std::shared_ptr<hv::vmbus::Channel> channel)
{
    {
        auto const line = line_.lock();
        line->channel_ = std::move(channel);
        line->talk_.step = Step::Negotiating;
        line->talk_.waits_for_answer = false;
        if (!line->quiesced_) negotiate(*line);
    }
    worker_.signal();
}

void Service::close()
{
    DeferredCalls deferred;
    ChannelWorker::Hold const hold{worker_};
    auto const line = line_.lock();
    line->channel_.reset();
    line->talk_.step = Step::Closed;
    line->talk_.waits_for_answer = false;
    closed(*line, deferred);
}

void Service::quiesce(hv::StillBusy busy)
{
    worker_.quiesce(std::move(busy));
    line_.lock()->quiesced_ = true;
}

void Service::resume()
{
    {
        DeferredCalls deferred;
        auto const line = line_.lock();
        line->quiesced_ = false;
        if (std::exchange(line->talk_.tick_held, false) && line->talk_.step == Step::Ready) tick(*line, deferred);
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
    auto const line = line_.lock();
    if (!line->channel_) return Left::Nothing;
    return serve_packets(turn, *line->channel_,
                         [&](hv::vmbus::Packet const& packet) { take(*line, packet, deferred); });
}

void Service::take(Line& line, hv::vmbus::Packet const& packet, DeferredCalls& deferred)
{
    auto const answer = answer_in(line, packet);
    if (!answer) {
        ++line.talk_.ignored_packets;
        return;
    }
    ++line.talk_.answers;
    line.talk_.waits_for_answer = false;
    if (line.talk_.step == Step::Negotiating)
        take_versions(line, *answer, deferred);
    else if (line.talk_.step == Step::Ready)
        answered(line, *answer, deferred);
}

/// What the guest says to the question that waits for it, if that is what the packet is.
std::optional<Service::Answer> Service::answer_in(Line const& line, hv::vmbus::Packet const& packet) const
{
    ic::Header header{};
    if (packet.type() != hv::abi::PacketType::DataInband) return std::nullopt;
    if (!packet.read(header, sizeof(ic::PipeHeader)) || (header.flags & ic::flags::response) == 0)
        return std::nullopt;
    auto const body = packet.payload.subspan(sizeof(ic::PipeHeader) + sizeof header);
    auto const expected = line.talk_.step == Step::Negotiating ? ic::MessageType::Negotiate : kind_.message;
    if (header.size > body.size() || !line.talk_.waits_for_answer || header.transaction != line.talk_.transaction ||
        header.type != expected)
        return std::nullopt;
    return Answer{header.status, body.first(header.size)};
}

void Service::negotiate(Line& line) const
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
    if (!send(line, header, body))
        line.talk_.step = Step::NoCommonVersion; // a ring without room for the first packet
}

/// The guest answers with the versions it has chosen among those offered, each of which must be one of them.
void Service::take_versions(Line& line, Answer const& answer, DeferredCalls& deferred)
{
    ic::Negotiate counts{};
    std::array<ic::Version, 2> chosen{};
    line.talk_.step = Step::NoCommonVersion;
    if (!answer.read(counts) || !answer.read(chosen, sizeof counts)) return;
    if (counts.framework_count != 1 || counts.message_count != 1) return;
    if (!contains(std::span<ic::Version const>{framework_versions}, chosen[0])) return;
    if (!contains(kind_.versions, chosen[1])) return;
    line.talk_.framework = chosen[0];
    line.talk_.version = chosen[1];
    line.talk_.step = Step::Ready;
    ready(line, deferred);
}

bool Service::ask(Line& line, std::span<std::byte const> body) const
{
    if (line.talk_.step != Step::Ready || line.quiesced_) return false;
    ic::Header header{};
    header.framework = line.talk_.framework;
    header.type = kind_.message;
    header.message = line.talk_.version;
    return send(line, header, body);
}

bool Service::send(Line& line, ic::Header header, std::span<std::byte const> body)
{
    if (line.talk_.waits_for_answer) return false;
    header.size = static_cast<std::uint16_t>(body.size());
    header.transaction = ++line.talk_.transaction;
    header.flags = ic::flags::transaction | ic::flags::request;
    ic::PipeHeader const pipe{ic::pipe_data, static_cast<std::uint32_t>(sizeof header + body.size())};
    hv::abi::PacketDescriptor descriptor{};
    descriptor.type = hv::abi::PacketType::DataInband;
    if (!line.channel_->outgoing().write(
            descriptor, {}, {std::as_bytes(std::span{&pipe, 1}), std::as_bytes(std::span{&header, 1}), body}))
        return false;
    ++line.talk_.questions;
    line.talk_.waits_for_answer = true;
    line.channel_->publish();
    return true;
}

void Service::tick_after(Line& line, std::chrono::milliseconds delay)
{
    if (std::exchange(line.talk_.tick_to_come, true)) return;
    line.talk_.tick_delay = delay;
    executor_.run_after(delay, [weak = weak_from_this()] {
        if (auto const self = weak.lock()) self->on_tick();
    });
}

void Service::on_tick()
{
    DeferredCalls deferred;
    auto const line = line_.lock();
    line->talk_.tick_to_come = false;
    if (line->quiesced_)
        line->talk_.tick_held = true;
    else if (line->talk_.step == Step::Ready)
        tick(*line, deferred);
}

std::string_view Service::name_of(Step step)
{
    switch (step) {
    case Step::Closed: return "closed";
    case Step::Negotiating: return "negotiating";
    case Step::Ready: return "ready";
    case Step::NoCommonVersion: return "no common version";
    }
    return "";
}

void Service::inspect(hv::Inspector& inspector) const
{
    auto const line = line_.lock();
    inspector.text("service", kind_.name);
    inspector.text("state", name_of(line->talk_.step));
    if (auto const version = line->version(); line->is_ready())
        inspector.text("version", std::to_string(version.major) + '.' + std::to_string(version.minor));
    show(inspector, line->talk_);
    inspect_more(*line, inspector);
}

void Service::visit(hv::StateVisitor& visitor)
{
    auto const line = line_.lock();
    hv::visit(visitor, line->talk_);
    visit_more(*line, visitor);
    if (visitor.restores()) make_sense_of_restored(*line);
}

/// A tick that was to come does so after its whole delay.
void Service::make_sense_of_restored(Line& line)
{
    constexpr std::chrono::milliseconds longest = std::chrono::minutes{1};
    bool const known = line.talk_.step == Step::Negotiating || line.talk_.step == Step::Ready;
    if (!line.channel_) {
        line.talk_.step = Step::Closed;
        line.talk_.waits_for_answer = false;
    } else if (!known) {
        line.talk_.step = Step::NoCommonVersion;
    }
    if (std::exchange(line.talk_.tick_to_come, false))
        tick_after(line, std::clamp(line.talk_.tick_delay, std::chrono::milliseconds{0}, longest));
}

} // namespace devices::vmbus
