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

    std::scoped_lock const lock{mutex_};
    if (quiesced_ || !state_.accepted || !write(*channel_, message)) {
        ++state_.lost_strokes;
        return false;
    }
    ++state_.strokes;
    channel_->publish();
    return true;
}

void Keyboard::open(std::shared_ptr<hv::vmbus::Channel> channel)
{
    {
        std::scoped_lock const lock{mutex_};
        channel_ = std::move(channel);
        state_.accepted = false;
    }
    worker_.signal();
}

void Keyboard::close()
{
    ChannelWorker::Hold const hold{worker_};
    std::scoped_lock const lock{mutex_};
    channel_.reset();
    state_.accepted = false;
}

void Keyboard::quiesce(hv::StillBusy busy)
{
    worker_.quiesce(std::move(busy));
    std::scoped_lock const lock{mutex_};
    quiesced_ = true;
}

void Keyboard::resume()
{
    {
        std::scoped_lock const lock{mutex_};
        quiesced_ = false;
    }
    worker_.resume();
}

void Keyboard::signalled()
{
    worker_.signal();
}

Served::Left Keyboard::serve(Turn& turn)
{
    std::scoped_lock const lock{mutex_};
    if (!channel_) return Left::Nothing;
    return serve_packets(turn, *channel_, [this](hv::vmbus::Packet const& packet) { take(packet); });
}

void Keyboard::take(hv::vmbus::Packet const& packet)
{
    MessageType type{};
    if (packet.type() == hv::abi::PacketType::DataInband && packet.read(type)) {
        if (type == MessageType::ProtocolRequest) return answer_request(packet);
        keyboard::Indicators message{};
        if (type == MessageType::Indicators && packet.read(message)) {
            state_.indicators = message.lit;
            return;
        }
    }
    ++state_.ignored_packets;
}

/// A driver that got no room for the answer asks again, or gives up.
void Keyboard::answer_request(hv::vmbus::Packet const& packet)
{
    keyboard::ProtocolRequest request{};
    auto const known = packet.read(request) && request.version == keyboard::version_1_0;
    keyboard::ProtocolResponse const response{MessageType::ProtocolResponse, known ? 1U : 0U};
    state_.accepted = write(*channel_, response) && known;
    if (packet.wants_completion()) static_cast<void>(channel_->outgoing().complete(packet.transaction(), {}));
}

void Keyboard::visit(hv::StateVisitor& visitor)
{
    std::scoped_lock const lock{mutex_};
    hv::visit(visitor, state_);
    if (!channel_) state_.accepted = false;
}

void Keyboard::inspect(hv::Inspector& inspector) const
{
    std::scoped_lock const lock{mutex_};
    inspector.text("state", !channel_ ? "closed" : state_.accepted ? "ready" : "no version agreed on");
    show(inspector, state_);
}

} // namespace devices::vmbus
