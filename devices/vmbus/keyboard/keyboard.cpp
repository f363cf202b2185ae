#include "devices/vmbus/keyboard/keyboard.hpp"

#include "devices/vmbus/channel/serve_packets.hpp"

#include <utility>

namespace devices::vmbus {

namespace {

using keyboard::MessageType;

template <typename Message>
bool write(hv::vmbus::Channel& channel, Message const& message)
{
    return channel.outgoing().write(hv::abi::PacketType::DataInband, 0, 0, std::as_bytes(std::span{&message, 1}));
}

} // namespace

hv::vmbus::OfferSpec Keyboard::offer()
{
    hv::vmbus::OfferSpec spec;
    spec.interface = hv::vmbus::guid("f912ad6d-2b17-48ea-bd65-f927a61c7684");
    spec.instance = hv::vmbus::guid("d34b2567-b9b6-42b9-8778-0a4ec0b955bf");
    return spec;
}

bool Keyboard::strike(ScanCode code, Stroke stroke)
{
    namespace flags = keyboard::keystroke_flags;
    auto const value = static_cast<std::uint16_t>(code);
    keyboard::Keystroke message{};
    message.type = MessageType::Event;
    message.make_code = value & 0xFF;
    if (value >> 8 == 0xE0) message.flags |= flags::e0;
    if (value >> 8 == 0xE1) message.flags |= flags::e1;
    if (stroke == Stroke::Release) message.flags |= flags::released;

    auto const line = line_.lock();
    if (line->quiesced || !line->state.accepted || !write(*line->channel, message)) {
        ++line->state.lost_strokes;
        return false;
    }
    ++line->state.strokes;
    line->channel->publish();
    return true;
}

void Keyboard::open(std::shared_ptr<hv::vmbus::Channel> channel)
{
    {
        auto const line = line_.lock();
        line->channel = std::move(channel);
        line->state.accepted = false;
    }
    worker_.signal();
}

void Keyboard::close()
{
    ChannelWorker::Hold const hold{worker_};
    auto const line = line_.lock();
    line->channel.reset();
    line->state.accepted = false;
}

void Keyboard::quiesce(hv::StillBusy busy)
{
    worker_.quiesce(std::move(busy));
    line_.lock()->quiesced = true;
}

void Keyboard::resume()
{
    line_.lock()->quiesced = false;
    worker_.resume();
}

void Keyboard::signalled()
{
    worker_.signal();
}

Served::Left Keyboard::serve(Turn& turn)
{
    auto const line = line_.lock();
    if (!line->channel) return Left::Nothing;
    return serve_packets(turn, *line->channel, [&](hv::vmbus::Packet const& packet) { line->take(packet); });
}

void Keyboard::Line::take(hv::vmbus::Packet const& packet)
{
    MessageType type{};
    if (packet.type() == hv::abi::PacketType::DataInband && packet.read(type)) {
        if (type == MessageType::ProtocolRequest) return answer_request(packet);
        keyboard::Indicators message{};
        if (type == MessageType::Indicators && packet.read(message)) {
            state.indicators = message.lit;
            return;
        }
    }
    ++state.ignored_packets;
}

/// A driver that got no room for the answer asks again, or gives up.
void Keyboard::Line::answer_request(hv::vmbus::Packet const& packet)
{
    keyboard::ProtocolRequest request{};
    auto const known = packet.read(request) && request.version == keyboard::version_1_0;
    keyboard::ProtocolResponse const response{MessageType::ProtocolResponse, known ? 1U : 0U};
    state.accepted = write(*channel, response) && known;
    if (packet.wants_completion()) static_cast<void>(channel->outgoing().complete(packet.transaction(), {}));
}

void Keyboard::visit(hv::StateVisitor& visitor)
{
    auto const line = line_.lock();
    hv::visit(visitor, line->state);
    if (!line->channel) line->state.accepted = false;
}

void Keyboard::inspect(hv::Inspector& inspector) const
{
    auto const line = line_.lock();
    inspector.text("state", !line->channel ? "closed" : line->state.accepted ? "ready" : "no version agreed on");
    show(inspector, line->state);
}

} // namespace devices::vmbus
