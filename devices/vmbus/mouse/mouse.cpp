#include "devices/vmbus/mouse/mouse.hpp"

#include "devices/vmbus/channel/pipe.hpp"
#include "devices/vmbus/channel/serve_packets.hpp"

#include <cstring>
#include <utility>

namespace devices::vmbus {

using mouse::MessageType;

namespace {

constexpr std::size_t header_at = sizeof(PipeHeader);
constexpr std::size_t body_at = header_at + sizeof(mouse::Header);

mouse::DeviceInfo device_info()
{
    constexpr std::uint16_t microsoft = 0x045E;
    mouse::DeviceInfo info{};
    info.attributes = {sizeof info.attributes, microsoft, 0x0621, 1, {}};
    info.descriptor = {sizeof info.descriptor, 0x21, 0x101, 0, 1, 0x22, sizeof info.report};
    info.report = mouse::report_descriptor;
    return info;
}

} // namespace

hv::vmbus::OfferSpec Mouse::offer()
{
    namespace flags = hv::vmbus::channel_flags;
    hv::vmbus::OfferSpec spec;
    spec.interface = hv::vmbus::guid("cfa8b69e-5b4a-4cc0-b98b-8ba1a1f3f95a");
    spec.instance = hv::vmbus::guid("58f75a6d-d949-4320-99e1-a2a2576d581c");
    spec.flags = flags::enumerate_device_interface | flags::named_pipe_mode;
    std::memcpy(spec.user_defined.data(), &pipe_mode_message, sizeof pipe_mode_message);
    return spec;
}

bool Mouse::report(mouse::Report const& report)
{
    auto const line = line_.lock();
    if (line->quiesced || !line->state.known || !line->send(MessageType::InputReport, report)) {
        ++line->state.lost_reports;
        return false;
    }
    ++line->state.reports;
    line->channel->publish();
    return true;
}

void Mouse::open(std::shared_ptr<hv::vmbus::Channel> channel)
{
    {
        auto const line = line_.lock();
        line->channel = std::move(channel);
        line->state.accepted = line->state.known = false;
    }
    worker_.signal();
}

void Mouse::close()
{
    ChannelWorker::Hold const hold{worker_};
    auto const line = line_.lock();
    line->channel.reset();
    line->state.accepted = line->state.known = false;
}

void Mouse::quiesce(hv::StillBusy busy)
{
    worker_.quiesce(std::move(busy));
    line_.lock()->quiesced = true;
}

void Mouse::resume()
{
    line_.lock()->quiesced = false;
    worker_.resume();
}

Served::Left Mouse::serve(Turn& turn)
{
    auto const line = line_.lock();
    if (!line->channel) return Left::Nothing;
    return serve_packets(turn, *line->channel, [&](hv::vmbus::Packet const& packet) { line->take(packet); });
}

template <typename Body>
bool Mouse::Line::send(MessageType type, Body const& body)
{
    struct {
        PipeHeader pipe;
        mouse::Header header;
    } const head{{pipe_data, static_cast<std::uint32_t>(sizeof(mouse::Header) + sizeof body)},
                 {type, static_cast<std::uint32_t>(sizeof body)}};
    return channel->outgoing().write({hv::abi::PacketType::DataInband, 0, 0, 0, 0}, {},
                                     {std::as_bytes(std::span{&head, 1}), std::as_bytes(std::span{&body, 1})});
}

void Mouse::Line::take(hv::vmbus::Packet const& packet)
{
    if (!handle(packet)) ++state.ignored_packets;
    if (packet.wants_completion()) static_cast<void>(channel->outgoing().complete(packet.transaction(), {}));
}

/// False for what means nothing.
bool Mouse::Line::handle(hv::vmbus::Packet const& packet)
{
    PipeHeader pipe{};
    mouse::Header header{};
    if (packet.type() != hv::abi::PacketType::DataInband || !packet.read(pipe) || pipe.type != pipe_data ||
        !packet.read(header, header_at))
        return false;
    if (header.type == MessageType::ProtocolRequest) {
        mouse::ProtocolRequest request{};
        if (!packet.read(request, body_at)) return false;
        answer_request(request);
        return true;
    }
    if (header.type != MessageType::DeviceInfoAck || !state.accepted) return false;
    state.known = true;
    return true;
}

/// The device's description follows the answer unasked. A driver that got no room for both asks again, or gives up.
void Mouse::Line::answer_request(mouse::ProtocolRequest const& request)
{
    bool const agreed = request.version == mouse::version_2_0;
    mouse::ProtocolResponse const response{request.version, agreed ? std::uint8_t{1} : std::uint8_t{0}};
    state.known = false;
    state.accepted =
        send(MessageType::ProtocolResponse, response) && agreed && send(MessageType::DeviceInfo, device_info());
}

void Mouse::visit(hv::StateVisitor& visitor)
{
    auto const line = line_.lock();
    hv::visit(visitor, line->state);
    if (!line->channel) line->state.accepted = false;
    if (!line->state.accepted) line->state.known = false;
}

void Mouse::inspect(hv::Inspector& inspector) const
{
    auto const line = line_.lock();
    inspector.text("state", !line->channel ? "closed" : line->state.known ? "ready" : "no version agreed on");
    show(inspector, line->state);
}

} // namespace devices::vmbus
