#include "devices/vmbus/network/receiver.hpp"

#include "devices/net/checksum.hpp"
#include "devices/vmbus/network/rndis.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace devices::network {

namespace {

constexpr std::size_t addresses = 12; // the two at the start of a frame

/// What stands at the start of a section, before the frame.
class SectionHeader {
  public:
    /// `offset` is the frame's in the section; `more` says that the section is one of several.
    SectionHeader(std::size_t offset, std::size_t length)
    {
        auto& start = *this;
        start.data_.header = {rndis::Type::Packet, static_cast<std::uint32_t>(offset + length)};
        start.data_.packet = {.data_offset = static_cast<std::uint32_t>(offset - sizeof(rndis::Header)),
                              .data_length = static_cast<std::uint32_t>(length),
                              .oob_offset = 0,
                              .oob_length = 0,
                              .oob_elements = 0,
                              .info_offset = 0,
                              .info_length = 0,
                              .handle = 0,
                              .reserved = 0};
    }

    void add(std::uint32_t type, std::uint32_t value)
    {
        auto& packet = data_.packet;
        packet.info_offset = sizeof packet;
        data_.infos[packet.info_length / sizeof(Info)] = {{sizeof(Info), type, sizeof(rndis::PacketInfo)}, value};
        packet.info_length += sizeof(Info);
    }

    [[nodiscard]] std::size_t size() const
    {
        return sizeof data_.header + sizeof data_.packet + data_.packet.info_length;
    }
    [[nodiscard]] void const* bytes() const { return &data_; }

  private:
    static constexpr std::size_t most_infos = 4; // checksum, VLAN, hash, fragment

    struct Info {
        rndis::PacketInfo header;
        std::uint32_t value;
    };
    struct Data {
        rndis::Header header;
        rndis::Packet packet;
        std::array<Info, most_infos> infos;
    };
    static_assert(sizeof(Data) <= ReceiveBuffer::header_room);

    Data data_; // infos that are not there stay as they are: they are not copied
};

std::uint32_t checksum_info(net::Offload const& offload, net::FrameHeaders const& headers)
{
    namespace bits = rndis::receive_checksum;
    if ((offload.flags & (net::Offload::needs_checksum | net::Offload::checksum_valid)) == 0) return 0;
    auto const invalid = (offload.flags & net::Offload::needs_checksum) != 0 ? bits::tcp_value_invalid : 0;
    auto const ip = headers.network == net::Network::Ipv4 ? bits::ip_good : 0;
    if (headers.protocol == net::protocol_tcp) return bits::tcp_good | ip | invalid;
    if (headers.protocol == net::protocol_udp) return bits::udp_good | ip;
    return 0;
}

std::uint32_t fragment_info(std::size_t index, std::size_t count)
{
    auto flags = rndis::fragment_of_frame;
    if (index == 0) flags |= rndis::first_fragment;
    if (index + 1 == count) flags |= rndis::last_fragment;
    rndis::Fragment const fragment{rndis::fragment_version, flags, 0};
    std::uint32_t value = 0;
    std::memcpy(&value, &fragment, sizeof value);
    return value;
}

std::uint32_t vlan_info(std::uint16_t tag)
{
    return static_cast<std::uint32_t>(tag >> 13 | (tag >> 12 & 1) << 3 | (tag & 0xFFF) << 4);
}

} // namespace

Receiver::Receiver(TransferSink& sink, std::size_t channels, Traffic& traffic)
    : sink_{sink}, intake_{sink, channels, traffic}
{}

Receiver::Intake::Intake(TransferSink& sink, std::size_t channels, Traffic& traffic)
    : sink_{sink}, traffic_{traffic}, transfers_(channels)
{}

void Receiver::Intake::set(Path path)
{
    if (path.buffer != path_.buffer) drop_transfers();
    empty_hand();
    path_ = std::move(path);
    if (!path_.buffer) return;
    auto const room = path_.buffer->frame_room();
    sections_for_frame_ = path_.large ? (net::largest_frame + room - 1) / room : 1;
}

bool Receiver::receive(net::FrameSource& source)
{
    for (;;) {
        auto const intake = intake_.lock();
        if (!intake->has_buffer()) return true;
        switch (intake->receive_batch(source)) {
        case Batch::More: break;
        case Batch::Empty: return true;
        case Batch::NoRoom: return false;
        }
    }
}

Receiver::Batch Receiver::Intake::receive_batch(net::FrameSource& source)
{
    if (!flush()) return Batch::NoRoom;
    for (std::size_t frames = 0; frames < batch_frames; ++frames) {
        if (!fill_hand()) {
            empty_hand();
            [[maybe_unused]] auto const sent = flush();
            return Batch::NoRoom;
        }
        net::Offload offload;
        auto const size = source.read(offload, pieces_);
        if (size == 0) return flush() ? Batch::Empty : Batch::NoRoom;
        auto const room = sections_for_frame_ * path_.buffer->frame_room();
        if (size < net::ethernet_header || size >= room || (size > path_.max_frame + net::vlan_tag && !path_.large)) {
            traffic_.malformed.add();
            continue;
        }
        if (place(size, offload) + sections_for_frame_ > TransferSink::most_ranges) break;
    }
    return flush() ? Batch::More : Batch::NoRoom;
}

bool Receiver::Intake::fill_hand()
{
    auto const had = hand_.size();
    if (had == sections_for_frame_) return true;
    hand_.resize(sections_for_frame_);
    auto const got = path_.buffer->take(std::span{hand_}.subspan(had));
    hand_.resize(had + got);
    for (std::size_t i = had; i < hand_.size(); ++i)
        path_.buffer->locate_frame(hand_[i], pieces_);
    return hand_.size() == sections_for_frame_;
}

void Receiver::Intake::empty_hand()
{
    if (path_.buffer) path_.buffer->give_back(hand_);
    hand_.clear();
    pieces_.clear();
}

/// The guest gets the first sections of the hand; the others and their pieces stay where they are.
void Receiver::Intake::drop_from_hand(std::size_t count)
{
    auto room = count * path_.buffer->frame_room();
    auto piece = pieces_.begin();
    while (room > 0)
        room -= piece++->iov_len;
    pieces_.erase(pieces_.begin(), piece);
    hand_.erase(hand_.begin(), hand_.begin() + static_cast<std::ptrdiff_t>(count));
}

/// Returns how many ranges the packet has by now that the frame goes with.
std::size_t Receiver::Intake::place(std::size_t size, net::Offload offload)
{
    auto& buffer = *path_.buffer;
    auto const room = buffer.frame_room();
    auto const count = (size + room - 1) / room;

    std::array<std::byte, net::longest_headers> start;
    auto const start_size = std::min(size, start.size());
    buffer.read(hand_[0], ReceiveBuffer::header_room, start.data(), start_size);
    auto const headers = net::parse_headers({start.data(), start_size});

    // A frame that is whole gets its checksum: the guest may pass it on, and would not look at it again.
    if ((offload.flags & net::Offload::needs_checksum) != 0 && !offload.segmented()) {
        net::fill_in_checksum(offload, pieces_, size);
        offload.flags |= net::Offload::checksum_valid;
    }

    std::size_t cut = 0; // from the start of the frame
    if (headers.tagged) {
        cut = net::vlan_tag;
        buffer.write(hand_[0], ReceiveBuffer::header_room + cut, start.data(), addresses);
    }
    std::optional<std::uint32_t> hash;
    if (path_.rss) hash = path_.rss->hash(start, headers);
    auto& transfer = transfer_for(hash ? path_.rss->channel(*hash) : 0);

    for (std::size_t i = 0, left = size; i < count; ++i) {
        auto const skipped = i == 0 ? cut : 0;
        auto const here = std::min(left, room);
        auto const offset = ReceiveBuffer::header_room + skipped;
        SectionHeader header{offset, here - skipped};
        if (auto const info = checksum_info(offload, headers); info != 0) header.add(rndis::info_checksum, info);
        if (headers.tagged) header.add(rndis::info_vlan, vlan_info(headers.tag));
        if (hash) header.add(rndis::info_hash, *hash);
        if (count > 1) header.add(rndis::info_fragment, fragment_info(i, count));
        buffer.write(hand_[i], 0, header.bytes(), header.size());
        transfer.sections.push_back(hand_[i]);
        transfer.ranges.push_back(
            {static_cast<std::uint32_t>(ReceiveBuffer::header_room + here), buffer.offset(hand_[i])});
        left -= here;
    }
    traffic_.frames.add();
    traffic_.bytes.add(size);

    drop_from_hand(count);
    return transfer.ranges.size();
}

Receiver::Transfer& Receiver::Intake::transfer_for(std::size_t channel)
{
    auto const n = channel < transfers_.size() ? channel : 0;
    auto& transfer = transfers_[n];
    if (!transfer.queued) transfers_in_use_.push_back(n);
    transfer.queued = true;
    return transfer;
}

bool Receiver::Intake::flush()
{
    while (!transfers_in_use_.empty()) {
        auto const channel = transfers_in_use_.back();
        auto& transfer = transfers_[channel];
        auto const send = [&](std::size_t n) {
            return sink_.send_transfer(n, *path_.buffer, transfer.sections, transfer.ranges);
        };
        auto sent = send(channel);
        if (sent == TransferSink::Sent::Closed && channel != 0) sent = send(0);
        if (sent == TransferSink::Sent::Full) return false;
        if (sent == TransferSink::Sent::Closed) path_.buffer->give_back(transfer.sections);
        transfer.sections.clear();
        transfer.ranges.clear();
        transfer.queued = false;
        transfers_in_use_.pop_back();
    }
    return true;
}

void Receiver::Intake::drop_transfers()
{
    for (auto const channel : transfers_in_use_) {
        auto& transfer = transfers_[channel];
        traffic_.dropped.add();
        path_.buffer->give_back(transfer.sections);
        transfer.sections.clear();
        transfer.ranges.clear();
        transfer.queued = false;
    }
    transfers_in_use_.clear();
}

} // namespace devices::network
