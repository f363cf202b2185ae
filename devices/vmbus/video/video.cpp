#include "devices/vmbus/video/video.hpp"

#include "devices/vmbus/channel/pipe.hpp"
#include "devices/vmbus/channel/serve_packets.hpp"
#include "devices/vmbus/video/resolutions.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace devices::vmbus {

using video::MessageType;

namespace {

constexpr std::size_t header_at = sizeof(PipeHeader);
constexpr std::size_t body_at = header_at + sizeof(video::Header);

template <typename Body>
bool read_body(hv::vmbus::Packet const& packet, Body& body)
{
    return packet.read(body, body_at);
}

std::uint32_t pixel(std::int32_t coordinate)
{
    return static_cast<std::uint32_t>(std::max(coordinate, 0));
}

} // namespace

Video::Video(hv::vmbus::Runner& runner, std::shared_ptr<display::Screen> screen, Place place)
    : worker_{*this, runner, turn_limits}, line_{std::move(screen), std::move(place)}
{}

hv::vmbus::OfferSpec Video::offer()
{
    namespace flags = hv::vmbus::channel_flags;
    hv::vmbus::OfferSpec spec;
    spec.interface = hv::vmbus::guid("da0a7802-e377-4aac-8e77-0558eb1073f8");
    spec.instance = hv::vmbus::guid("5620e0c7-8062-4dce-aeb7-520c7ef76171");
    spec.flags = flags::enumerate_device_interface | flags::named_pipe_mode;
    spec.mmio_megabytes = memory_megabytes;
    std::memcpy(spec.user_defined.data(), &pipe_mode_message, sizeof pipe_mode_message);
    return spec;
}

void Video::open(std::shared_ptr<hv::vmbus::Channel> channel)
{
    {
        auto const line = line_.lock();
        line->channel = std::move(channel);
        line->state.accepted = line->state.shown = false;
        line->pointer.clear();
    }
    worker_.signal();
}

/// The picture stays: firmware leaves it to the kernel, and a kernel that crashes leaves it to the user.
void Video::close()
{
    ChannelWorker::Hold const hold{worker_};
    auto const line = line_.lock();
    line->channel.reset();
    line->state.accepted = line->state.shown = false;
}

void Video::quiesce(hv::StillBusy busy)
{
    worker_.quiesce(std::move(busy));
    line_.lock()->quiesced = true;
}

void Video::resume()
{
    {
        auto const line = line_.lock();
        line->quiesced = false;
        if (line->wishes_changed) line->tell_wishes();
    }
    worker_.resume();
}

void Video::changes_wanted(bool)
{
    auto const line = line_.lock();
    line->tell_wishes();
}

Served::Left Video::serve(Turn& turn)
{
    auto const line = line_.lock();
    if (!line->channel) return Left::Nothing;
    auto const left =
        serve_packets(turn, *line->channel, [&](hv::vmbus::Packet const& packet) { line->take(packet); });
    if (line->wishes_changed) line->tell_wishes();
    return left;
}

/// A driver that left no room for the answer asks again, or gives up.
template <typename Body>
bool Video::Line::send(MessageType type, Body const& body, std::span<std::byte const> rest)
{
    struct {
        PipeHeader pipe;
        video::Header header;
    } const head{{pipe_data, static_cast<std::uint32_t>(sizeof(video::Header) + sizeof body + rest.size())},
                 {type, static_cast<std::uint32_t>(sizeof(video::Header) + sizeof body + rest.size())}};
    bool const written =
        channel->outgoing().write({hv::abi::PacketType::DataInband, 0, 0, 0, 0}, {},
                                  {std::as_bytes(std::span{&head, 1}), std::as_bytes(std::span{&body, 1}), rest});
    if (!written) ++state.lost_answers;
    return written;
}

void Video::Line::take(hv::vmbus::Packet const& packet)
{
    PipeHeader pipe{};
    video::Header header{};
    bool const known = packet.type() == hv::abi::PacketType::DataInband && packet.read(pipe) &&
                       pipe.type == pipe_data && packet.read(header, header_at) && handle(header, packet);
    if (!known) ++state.ignored_packets;
    if (packet.wants_completion()) static_cast<void>(channel->outgoing().complete(packet.transaction(), {}));
}

/// False for what means nothing, or nothing yet.
bool Video::Line::handle(video::Header const& header, hv::vmbus::Packet const& packet)
{
    if (header.type == MessageType::VersionRequest) {
        video::VersionRequest request{};
        if (!read_body(packet, request)) return false;
        agree(request);
        return true;
    }
    if (!state.accepted) return false;
    switch (header.type) {
    case MessageType::VramLocation: {
        video::VramLocation message{};
        return read_body(packet, message) && relocate(message);
    }
    case MessageType::SituationUpdate: {
        video::Situation message{};
        return read_body(packet, message) && show(message);
    }
    case MessageType::PointerPosition: return true; // viewers have pointers of their own
    case MessageType::PointerShape: return shape_pointer(packet);
    case MessageType::Dirt: return draw(packet);
    case MessageType::BiosInfoRequest:
        send(MessageType::BiosInfoResponse, video::BiosInfoResponse{1, {}});
        return true;
    case MessageType::ResolutionRequest: {
        video::ResolutionRequest request{};
        if (!read_body(packet, request)) return false;
        tell_resolutions(request);
        return true;
    }
    case MessageType::CapabilityRequest:
        send(MessageType::CapabilityResponse, video::CapabilityResponse{});
        return true;
    default: return false;
    }
}

void Video::Line::agree(video::VersionRequest const& request)
{
    using video::Version;
    bool const known =
        request.version.major == Version::known_major && request.version.minor <= Version::newest_minor;
    video::VersionResponse const response{request.version, known ? video::accepted_version : std::uint8_t{0}, 1};
    state.accepted = send(MessageType::VersionResponse, response) && known;
    state.minor_version = request.version.minor;
    state.shown = false;
}

/// The answer says that the memory is where the guest wants it; without one Linux gives up its driver.
bool Video::Line::relocate(video::VramLocation const& message)
{
    if (message.has_address != 0) {
        if (!place(message.address)) return false;
        state.has_location = true;
        state.location = message.address;
    }
    send(MessageType::VramLocationAck, video::Acknowledgement{message.context});
    return true;
}

bool Video::Line::show(video::Situation const& message)
{
    if (message.outputs != 1) return false;
    if (message.active != 0) {
        auto const before = state;
        state.width = message.width;
        state.height = message.height;
        state.pitch = message.pitch;
        state.depth = message.depth;
        state.offset = message.offset;
        if (!apply_mode()) {
            state = before;
            return false;
        }
        state.shown = true;
    }
    send(MessageType::SituationUpdateAck, video::Acknowledgement{message.context});
    tell_wishes();
    return true;
}

bool Video::Line::apply_mode() const
{
    return screen->set_mode({state.width, state.height, state.pitch, state.depth, state.offset}) != 0;
}

bool Video::Line::draw(hv::vmbus::Packet const& packet)
{
    video::Dirt message{};
    if (!read_body(packet, message) || message.output != 0) return false;
    for (unsigned i = 0; i < message.count; ++i) {
        video::DirtRectangle one{};
        if (!packet.read(one, body_at + sizeof message + i * sizeof one)) return false;
        screen->drawn({pixel(one.left), pixel(one.top), pixel(one.right), pixel(one.bottom)});
        ++state.drawn;
    }
    return true;
}

bool Video::Line::shape_pointer(hv::vmbus::Packet const& packet)
{
    video::PointerShape header{};
    if (!read_body(packet, header)) return false;
    auto complete = pointer.add(header, packet.payload.subspan(body_at + sizeof header));
    if (complete) screen->set_pointer(std::move(*complete));
    return complete.has_value() || header.part != video::last_part;
}

void Video::Line::tell_resolutions(video::ResolutionRequest const& request)
{
    auto const all = video::resolutions();
    auto const told = all.first(std::min<std::size_t>(request.most, all.size()));
    video::ResolutionResponse response{};
    auto const monitor = video::edid();
    std::memcpy(response.edid, monitor.data(), monitor.size());
    response.count = static_cast<std::uint8_t>(told.size());
    if (told.size() > video::preferred_resolution) response.preferred = video::preferred_resolution;
    send(MessageType::ResolutionResponse, response, std::as_bytes(told));
}

/// Rectangles are wanted while somebody looks. Before the guest shows anything it may not expect to hear of it.
void Video::Line::tell_wishes()
{
    wishes_changed = true;
    if (quiesced || !channel || !state.shown) return;
    video::FeatureChange const wishes{screen->changes_wanted() ? std::uint8_t{1} : std::uint8_t{0}, 0, 1, 1};
    wishes_changed = !send(MessageType::FeatureChange, wishes);
    channel->publish();
}

void Video::visit(hv::StateVisitor& visitor)
{
    auto const line = line_.lock();
    hv::visit(visitor, line->state);
    if (!visitor.restores()) return;
    auto& state = line->state;
    if (state.shown && !line->apply_mode()) state.shown = false;
    if (state.has_location && !line->place(state.location)) state.has_location = false;
    if (!line->channel) state.accepted = state.shown = false;
}

void Video::inspect(hv::Inspector& inspector) const
{
    auto const line = line_.lock();
    inspector.text("state", !line->channel         ? "closed"
                            : line->state.shown    ? "ready"
                            : line->state.accepted ? "shows nothing yet"
                                                   : "no version agreed on");
    hv::show(inspector, line->state);
}

} // namespace devices::vmbus
