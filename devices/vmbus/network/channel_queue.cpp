#include "devices/vmbus/network/channel_queue.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace devices::network {

using hv::abi::PacketType;
using hv::vmbus::IncomingRing;

namespace {

/// A packet without its place in a ring.
struct LeftPacket {
    PacketType type{};
    std::uint16_t flags = 0;
    std::uint64_t transaction = 0;
    std::vector<std::byte> header{};
    std::vector<std::byte> payload{};

    static constexpr auto fields()
    {
        constexpr auto most = hv::vmbus::longest_packet;
        return std::tuple{hv::StateField{"type", &LeftPacket::type}, hv::StateField{"flags", &LeftPacket::flags},
                          hv::StateField{"transaction", &LeftPacket::transaction},
                          hv::StateField{"header", &LeftPacket::header, hv::Shown::No, most},
                          hv::StateField{"payload", &LeftPacket::payload, hv::Shown::No, most}};
    }
};

/// Guests copy what is small to the send buffer, and leave what is large where it is.
bool brings_large_frame(hv::vmbus::Packet const& packet)
{
    nvsp::SendRndisPacket header;
    return packet.type() == PacketType::DataUsingGpaDirect && packet.read(header) &&
           header.channel == nvsp::data_channel;
}

} // namespace

ServedChannel::ServedChannel(ChannelQueue& queue, net::FrameBackend& backend)
    : queue_{queue}, transmitter_{backend, queue.index(), queue.sent}
{}

std::size_t ServedChannel::index() const
{
    return queue_.index();
}

void ChannelQueue::open(std::shared_ptr<hv::vmbus::Channel> channel)
{
    bool const again = worker_.quiesced();
    served_.lock()->open(std::move(channel));
    signalled(); // there may be packets already
    card_.opened(*this, again);
}

void ServedChannel::open(std::shared_ptr<hv::vmbus::Channel> channel)
{
    channel_ = std::move(channel);
    queue_.out_.lock()->channel = channel_;
    answers_.clear();
    state_ = {};
    queue_.card_.opening(*this);
    change_send_path(queue_.card_.send_path());
}

void ChannelQueue::close()
{
    vmbus::ChannelWorker::Hold const hold{worker_};
    served_.lock()->close();
}

void ServedChannel::close()
{
    if (!channel_) return;
    queue_.card_.closing(*this);
    channel_ = nullptr;
    queue_.out_.lock()->channel = nullptr;
    path_ = {};
    answers_.clear();
    state_.packet_left = false;
    spans_.clear();
    gpa_spans_.clear();
}

void ChannelQueue::set_send_path(Card::SendPath path)
{
    vmbus::ChannelWorker::Hold const hold{worker_};
    auto const served = served_.lock();
    if (served->is_open()) served->change_send_path(std::move(path));
}

void ServedChannel::change_send_path(Card::SendPath path)
{
    path_ = std::move(path);
    queue_.out_.lock()->message_size = path_.message_size;
}

void ChannelQueue::signalled()
{
    worker_.signal();
}

vmbus::Served::Left ServedChannel::serve(vmbus::Turn& turn)
{
    if (!channel_) return vmbus::Served::Left::Nothing;
    auto& incoming = channel_->incoming();
    incoming.mask_signals(true);
    auto step = serve_some(turn);
    if (step == Step::Nothing) {
        incoming.mask_signals(false);
        step = serve_some(turn); // what came before the guest could see that
        if (step == Step::TurnOver) incoming.mask_signals(true);
    }
    if (index() == 0) queue_.card_.served(*this);
    bool interrupt = incoming.release();
    interrupt |= queue_.out_.lock()->channel->outgoing().publish();
    if (interrupt) channel_->interrupt();
    if (queue_.blocked_.load(std::memory_order_relaxed) && queue_.blocked_.exchange(false)) queue_.card_.room_again();
    return step == Step::TurnOver ? vmbus::Served::Left::Some : vmbus::Served::Left::Nothing;
}

ServedChannel::Step ServedChannel::serve_some(vmbus::Turn& turn)
{
    auto step = Step::Done;
    while (step == Step::Done)
        step = turn.over() ? Step::TurnOver : serve_one(turn);
    return step;
}

/// Nothing: there is nothing more to do, or no room for an answer.
ServedChannel::Step ServedChannel::serve_one(vmbus::Turn& turn)
{
    if (!write_waiting_answers()) return Step::Nothing;
    if (!state_.packet_left) {
        switch (channel_->incoming().next(packet_)) {
        case IncomingRing::Next::Taken: break;
        case IncomingRing::Next::Empty: return Step::Nothing;
        case IncomingRing::Next::Broken:
            if (!state_.broken)
                queue_.card_.misbehaved(
                    "has spoilt a ring of a network card: the card is of no use until it is reset");
            state_.broken = true;
            return Step::Nothing;
        }
        state_.packet_left = !turn.on_runner() && brings_large_frame(packet_) && queue_.runner_.takes_large_frames();
        if (state_.packet_left) return Step::TurnOver;
    }
    state_.packet_left = false;
    turn.count_packet();
    take(packet_);
    return Step::Done;
}

/// False when the ring is full: the guest will signal when there is room.
bool ServedChannel::write_waiting_answers()
{
    if (answers_.empty()) return true;
    auto const out = queue_.out_.lock();
    return answers_.flush(out->channel->outgoing());
}

void ServedChannel::send(PacketType type, std::uint64_t transaction, std::span<std::byte const> payload)
{
    std::array<std::byte, vmbus::AnswerQueue::longest> padded{};
    auto const size = std::min(payload.size(), padded.size());
    std::ranges::copy(payload.first(size), padded.begin());
    auto const whole = size == 0 ? 0 : std::clamp(path_.message_size, size, padded.size());
    auto const out = queue_.out_.lock();
    answers_.send(out->channel->outgoing(), type, transaction, std::span{padded}.first(whole));
}

void ServedChannel::take(hv::vmbus::Packet const& packet)
{
    if (packet.type() == PacketType::Completion) return take_completion(packet);
    auto type = nvsp::Type{};
    if (!packet.read(type)) {
        queue_.sent.malformed.add();
        return;
    }
    if (type != nvsp::Type::SendRndisPacket) {
        if (index() == 0 && packet.type() == PacketType::DataInband) queue_.card_.message(*this, *channel_, packet);
        return;
    }
    nvsp::Completed const answer{nvsp::Type::SendRndisPacketComplete, take_rndis(packet)};
    if (!packet.wants_completion()) return;

    std::array<std::byte, nvsp::size_from_v61> payload{};
    std::memcpy(payload.data(), &answer, sizeof answer);
    auto const bytes = std::span{payload}.first(std::clamp(path_.message_size, sizeof answer, payload.size()));
    auto const out = queue_.out_.lock();
    answers_.send(out->channel->outgoing(), PacketType::Completion, packet.transaction(), bytes);
}

void ServedChannel::take_completion(hv::vmbus::Packet const& packet)
{
    if (!path_.receive_buffer) return;
    switch (path_.receive_buffer->complete(packet.transaction())) {
    case ReceiveBuffer::Completed::Unknown: queue_.sent.malformed.add(); break;
    case ReceiveBuffer::Completed::Done: break;
    case ReceiveBuffer::Completed::RoomAgain: queue_.card_.room_again(); break;
    }
}

nvsp::Status ServedChannel::take_rndis(hv::vmbus::Packet const& packet)
{
    nvsp::SendRndisPacket header;
    if (!packet.read(header) || !locate(packet, header)) {
        queue_.sent.malformed.add();
        return nvsp::Status::InvalidRndisPacket;
    }
    GuestPieces const message{spans_};
    if (header.channel == nvsp::data_channel) return transmitter_.send(message, queue_.card_.link_up());
    if (index() == 0 && header.channel == nvsp::control_channel) return queue_.card_.control(*this, message);
    queue_.sent.malformed.add();
    return nvsp::Status::Failure;
}

/// Finds the message: what is in a section of the send buffer first, then what the packet itself names.
bool ServedChannel::locate(hv::vmbus::Packet const& packet, nvsp::SendRndisPacket const& header)
{
    constexpr std::uint64_t most = 2 * net::largest_frame; // a frame, what is in front of it, and what Windows adds
    spans_.clear();
    if (header.section != nvsp::no_section) {
        auto const at = std::uint64_t{header.section} * ChannelQueue::send_section_size;
        if (!path_.buffer || header.section_size > ChannelQueue::send_section_size ||
            !path_.buffer->contains(at, header.section_size))
            return false;
        for (std::uint64_t done = 0; done < header.section_size;) {
            auto const size = path_.buffer->contiguous(at + done, header.section_size - done);
            spans_.emplace_back(path_.buffer->at(at + done), size);
            done += size;
        }
    }
    if (packet.type() == PacketType::DataUsingGpaDirect) {
        if (!hv::vmbus::gpa_direct(packet, channel_->memory(), most, gpa_spans_)) return false;
        spans_.insert(spans_.end(), gpa_spans_.begin(), gpa_spans_.end());
    }
    return true;
}

TransferSink::Sent ChannelQueue::send_transfer(ReceiveBuffer& buffer, std::uint32_t rndis_channel,
                                               std::span<Section const> sections,
                                               std::span<hv::abi::TransferPageRange const> ranges)
{
    struct {
        hv::abi::TransferPagesHeader header;
        std::array<hv::abi::TransferPageRange, TransferSink::most_ranges> ranges;
    } pages;
    pages.header = {buffer.id(), 0, 0, static_cast<std::uint32_t>(ranges.size())};
    std::ranges::copy(ranges, pages.ranges.begin());
    auto const header = std::as_bytes(std::span{&pages, 1}).first(sizeof pages.header + ranges.size_bytes());

    nvsp::SendRndisPacket const message{nvsp::Type::SendRndisPacket, rndis_channel, nvsp::no_section, 0};
    std::array<std::byte, nvsp::size_from_v61> payload{};
    std::memcpy(payload.data(), &message, sizeof message);

    auto const out = out_.lock();
    if (!out->channel) return TransferSink::Sent::Closed;
    auto& outgoing = out->channel->outgoing();
    hv::abi::PacketDescriptor const descriptor{PacketType::DataUsingTransferPages, 0, 0,
                                               hv::abi::packet_flag_completion_requested, sections.front()};
    auto const write = [&] {
        return outgoing.write(descriptor, header, {std::span{payload}.first(out->message_size)});
    };
    if (!write()) {
        blocked_.store(true); // whoever makes room from now on resumes; room that was made before is seen here
        if (!write()) return TransferSink::Sent::Full;
        blocked_.store(false);
    }
    buffer.lend(sections);
    if (outgoing.publish()) out->channel->interrupt();
    return TransferSink::Sent::Yes;
}

void ChannelQueue::inspect(hv::Inspector& inspector) const
{
    served_.lock()->inspect(inspector);
}

void ServedChannel::inspect(hv::Inspector& inspector) const
{
    if (index() == 0) queue_.card_.inspect_card(*this, inspector);
    inspector.flag("open", channel_ != nullptr);
    inspector.number("answers_waiting", answers_.size());
    show(inspector, state_);
    inspector.number("frames_sent", queue_.sent.frames.value());
    inspector.number("bytes_sent", queue_.sent.bytes.value());
    inspector.number("frames_dropped", queue_.sent.dropped.value());
    inspector.number("malformed_packets", queue_.sent.malformed.value());
}

void ChannelQueue::visit(hv::StateVisitor& visitor)
{
    served_.lock()->visit(visitor);
}

void ServedChannel::visit(hv::StateVisitor& visitor)
{
    hv::visit(visitor, state_);
    visit_packet(visitor);
    {
        hv::VisitedNode const node{visitor, "answers"};
        answers_.visit(visitor);
    }
    {
        hv::VisitedNode const node{visitor, "sent"};
        queue_.sent.visit(visitor);
    }
    if (index() == 0) {
        hv::VisitedNode const node{visitor, "card"};
        queue_.card_.visit_card(*this, channel_.get(), visitor);
    }
    if (channel_) return;
    state_ = {};
    answers_.clear();
}

/// A packet that is out of the ring but not served.
void ServedChannel::visit_packet(hv::StateVisitor& visitor)
{
    LeftPacket left;
    if (state_.packet_left)
        left = {packet_.type(),
                packet_.descriptor.flags,
                packet_.transaction(),
                {packet_.header.begin(), packet_.header.end()},
                {packet_.payload.begin(), packet_.payload.end()}};
    hv::visit(visitor, "packet", left);
    if (!visitor.restores()) return;
    packet_bytes_ = std::move(left.header);
    auto const header_size = packet_bytes_.size();
    packet_bytes_.insert(packet_bytes_.end(), left.payload.begin(), left.payload.end());
    std::span<std::byte const> const bytes{packet_bytes_};
    packet_ = {{left.type, 0, 0, left.flags, left.transaction}, bytes.first(header_size), bytes.subspan(header_size)};
}

} // namespace devices::network
