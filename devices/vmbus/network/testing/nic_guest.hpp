/// A guest with a driver for a network card, in the words of a test: it opens channels, sends NVSP and RNDIS messages
/// and takes what comes. The host's side records.
#pragma once

#include "devices/net/testing/recorders.hpp"
#include "devices/testing/vmbus_channel.hpp"
#include "devices/vmbus/network/nic.hpp"
#include "devices/vmbus/network/rndis_control.hpp"
#include "devices/vmbus/network/testing/bytes.hpp"
#include "hv/testing/catch.hpp"

#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace devices::network::testing {

/// Keeps what is offered.
struct OfferedChannels final : hv::vmbus::Bus {
    void offer(hv::vmbus::OfferSpec const& spec, std::shared_ptr<hv::vmbus::ChannelDevice> device) override
    {
        devices[spec.sub_channel] = std::move(device);
        specs[spec.sub_channel] = spec;
    }
    void withdraw(hv::vmbus::Guid const&) override { devices.clear(); }
    hv::vmbus::Runner& runner() override { return executor; }

    hv::testing::CrankedExecutor executor;
    std::map<unsigned, std::shared_ptr<hv::vmbus::ChannelDevice>> devices;
    std::map<unsigned, hv::vmbus::OfferSpec> specs;
};

/// A frame that the guest has received.
struct ReceivedFrame {
    Bytes bytes;
    std::map<std::uint32_t, std::uint32_t> infos; ///< by type; of the first section
    unsigned sections = 0;
    std::uint64_t transaction = 0;
};

class NicGuest {
  public:
    static constexpr std::uint32_t receive_gpadl = 0xE1;
    static constexpr std::uint32_t send_gpadl = 0xE2;
    static constexpr std::uint16_t receive_id = 0xCAFE;
    static constexpr std::size_t send_pages = 64;
    static constexpr std::uint64_t ram_pages = 64;

    explicit NicGuest(unsigned max_channels = 1, net::SendOffloads offers = {true, true, true},
                      std::size_t receive_pages = 512, std::size_t ring_pages = 8)
        : receive_pages_{receive_pages}, send_pages_{send_pages}, ram_{ram_pages}, ring_pages_{ring_pages}
    {
        memory_.add({hv::Gpa{0}, ram_pages * hv::page_size, ram_.at(0)});
        config_.mac = net::parse_mac_address("52:54:00:12:34:56").value();
        config_.instance = instance_id(0);
        config_.max_channels = max_channels;
        config_.misbehaved = [this](std::string_view text) { complaints.emplace_back(text); };
        make_card(offers);
    }

    /// In the place of the one that there is.
    void make_card(net::SendOffloads offers)
    {
        auto recorder = std::make_unique<net::testing::RecordingBackend>();
        recorder->offers = offers;
        backend = recorder.get();
        nic = std::make_shared<Nic>(config_, std::move(recorder), bus);
        nic->start();
    }

    void open(unsigned channel = 0)
    {
        // What came before the last close has nothing behind it any more: its sections are the host's again.
        (channel == 0 ? kept_ : kept_on_[channel]).clear();
        channels[channel] = std::make_shared<devices::testing::DeviceChannel>(ring_pages_, memory_);
        channels[channel]->gpadls = {{receive_gpadl, receive_pages_.gpadl()}, {send_gpadl, send_pages_.gpadl()}};
        channels[channel]->connect(bus.devices.at(channel).get());
        bus.devices.at(channel)->open(channels[channel]);
    }
    void close(unsigned channel = 0)
    {
        bus.devices.at(channel)->close();
        channels[channel]->connect(nullptr);
    }
    [[nodiscard]] devices::testing::DeviceChannel& channel(unsigned n = 0) { return *channels.at(n); }

    // NVSP.

    /// Sends a message as Linux does, and returns what completes it; nothing when nothing does.
    template <typename Message>
    std::optional<devices::testing::GuestPacket> ask(Message const& message)
    {
        auto const transaction = ++transactions_;
        channel().send(bytes_of(message) + Bytes(20), transaction, hv::abi::packet_flag_completion_requested);
        do {
            while (auto packet = channel().receive()) {
                if (packet->descriptor.type == hv::abi::PacketType::Completion &&
                    packet->descriptor.transaction == transaction)
                    return packet;
                kept_.push_back(std::move(*packet));
            }
        } while (waits());
        return std::nullopt;
    }
    template <typename Message>
    void tell(Message const& message)
    {
        channel().send(bytes_of(message) + Bytes(20), 0, 0);
    }

    nvsp::Status initialize(nvsp::Version version)
    {
        auto const number = static_cast<std::uint32_t>(version);
        return ask(nvsp::Init{nvsp::Type::Init, number, number})->template as<nvsp::InitComplete>().status;
    }
    nvsp::ReceiveBufferComplete send_receive_buffer(std::uint32_t gpadl = receive_gpadl)
    {
        return ask(nvsp::SendBuffer{nvsp::Type::SendReceiveBuffer, gpadl, receive_id, 0})
            ->template as<nvsp::ReceiveBufferComplete>();
    }
    nvsp::SendBufferComplete send_send_buffer(std::uint32_t gpadl = send_gpadl)
    {
        return ask(nvsp::SendBuffer{nvsp::Type::SendSendBuffer, gpadl, 0, 0})
            ->template as<nvsp::SendBufferComplete>();
    }

    /// All up to where frames flow, as Linux does it.
    void set_up(nvsp::Version version = nvsp::Version::V61, std::uint32_t mtu_frame = 1514)
    {
        open();
        initialize(version);
        if (version >= nvsp::Version::V2)
            tell(nvsp::SendNdisConfig{nvsp::Type::SendNdisConfig, mtu_frame, 0,
                                      version >= nvsp::Version::V61 ? nvsp::capability_rsc : 0, 0});
        auto const minor = version <= nvsp::Version::V4 ? 1U : 30U;
        tell(nvsp::SendNdisVersion{nvsp::Type::SendNdisVersion, 6, minor});
        send_receive_buffer();
        send_send_buffer();
        control(rndis::Type::Initialize, bytes_of(rndis::Initialize{1, 1, 0, 0x4000}));
    }
    void listen(std::uint32_t filter = ndis::packet_filter::directed | ndis::packet_filter::broadcast)
    {
        set(ndis::Oid::CurrentPacketFilter, bytes_of(filter));
    }

    // RNDIS.

    /// Sends a control message by a GPA-direct packet, and returns the answer to it, without its header.
    Bytes control(rndis::Type type, Bytes const& body)
    {
        answer_type = {};
        send_gpa(bytes_of(rndis::Header{type, static_cast<std::uint32_t>(8 + body.size())}) + body,
                 nvsp::control_channel);
        return take_answer();
    }
    Bytes take_answer()
    {
        for (auto const& packet : take_transfers(nvsp::control_channel)) {
            auto message = section_bytes(packet, 0);
            complete(packet);
            answer_type = read_from<rndis::Header>(message).type;
            return {message.begin() + sizeof(rndis::Header), message.end()};
        }
        return {};
    }
    struct Queried {
        rndis::Status status{};
        Bytes info{};
    };
    Queried query(ndis::Oid oid)
    {
        auto const answer = control(
            rndis::Type::Query,
            bytes_of(rndis::Request{++requests_, static_cast<std::uint32_t>(oid), 0, sizeof(rndis::Request), 0}));
        auto const complete = read_from<rndis::QueryComplete>(answer);
        if (answer.size() < sizeof complete || complete.request != requests_) return {rndis::Status::Failure, {}};
        auto const begin = answer.begin() + complete.info_offset;
        return {complete.status, {begin, begin + complete.info_length}};
    }
    rndis::Status set(ndis::Oid oid, Bytes const& value)
    {
        auto const answer =
            control(rndis::Type::Set,
                    bytes_of(rndis::Request{++requests_, static_cast<std::uint32_t>(oid),
                                            static_cast<std::uint32_t>(value.size()), sizeof(rndis::Request), 0}) +
                        value);
        return read_from<rndis::Complete>(answer).status;
    }

    /// One packet message, with infos that `info` has made.
    static Bytes packet_message(Bytes const& frame, Bytes const& infos = {})
    {
        rndis::Packet packet{};
        packet.data_offset = static_cast<std::uint32_t>(sizeof packet + infos.size());
        packet.data_length = static_cast<std::uint32_t>(frame.size());
        packet.info_offset = infos.empty() ? 0 : sizeof packet;
        packet.info_length = static_cast<std::uint32_t>(infos.size());
        auto const size = sizeof(rndis::Header) + packet.data_offset + frame.size();
        return bytes_of(rndis::Header{rndis::Type::Packet, static_cast<std::uint32_t>(size)}, packet) + infos + frame;
    }
    static Bytes info(std::uint32_t type, std::uint32_t value)
    {
        return bytes_of(rndis::PacketInfo{16, type, 12}, value);
    }

    /// Sends a message in guest pages, with a GPA-direct packet; `before` of it are in the send buffer's section.
    nvsp::Status send_gpa(Bytes const& message, std::uint32_t rndis_channel = nvsp::data_channel,
                          std::optional<std::uint32_t> section = {}, std::size_t before = 0, unsigned on = 0)
    {
        constexpr std::uint64_t first_page = 3;
        auto const in_pages = message.size() - before;
        std::memcpy(ram_.at(first_page) + 100, message.data() + before, in_pages);
        if (section)
            put_in_section(*section, {message.begin(), message.begin() + static_cast<std::ptrdiff_t>(before)});
        auto header =
            bytes_of(hv::abi::GpaDirectHeader{0, 1}, hv::abi::GpaRange{static_cast<std::uint32_t>(in_pages), 100});
        for (std::uint64_t page = 0; page * hv::page_size < 100 + in_pages; ++page)
            header = header + bytes_of(first_page + page);
        return send_packet(hv::abi::PacketType::DataUsingGpaDirect, header,
                           {nvsp::Type::SendRndisPacket, rndis_channel, section.value_or(nvsp::no_section),
                            static_cast<std::uint32_t>(section ? before : 0)},
                           on);
    }
    /// The same, all of it in a section of the send buffer.
    nvsp::Status send_section(Bytes const& message, std::uint32_t section = 2,
                              std::uint32_t rndis_channel = nvsp::data_channel, unsigned on = 0)
    {
        put_in_section(section, message);
        return send_packet(
            hv::abi::PacketType::DataInband, {},
            {nvsp::Type::SendRndisPacket, rndis_channel, section, static_cast<std::uint32_t>(message.size())}, on);
    }
    nvsp::Status send_packet(hv::abi::PacketType type, Bytes const& header, nvsp::SendRndisPacket const& message,
                             unsigned on = 0)
    {
        auto const transaction = ++transactions_;
        auto const payload = bytes_of(message) + Bytes(24);
        channel(on).send({type, 0, 0, hv::abi::packet_flag_completion_requested, transaction}, header, payload);
        do {
            while (auto packet = channel(on).receive()) {
                if (packet->descriptor.type == hv::abi::PacketType::Completion &&
                    packet->descriptor.transaction == transaction) {
                    CHECK(packet->as<nvsp::Completed>().type == nvsp::Type::SendRndisPacketComplete);
                    return packet->as<nvsp::Completed>().status;
                }
                (on == 0 ? kept_ : kept_on_[on]).push_back(std::move(*packet));
            }
        } while (waits());
        return nvsp::Status::None;
    }

    // What comes from the host.

    /// Packets with sections, of that RNDIS channel; other packets are kept.
    std::vector<devices::testing::GuestPacket> take_transfers(std::uint32_t rndis_channel, unsigned on = 0)
    {
        std::vector<devices::testing::GuestPacket> taken;
        for (auto& packet : take_all(on)) {
            auto const wanted = packet.descriptor.type == hv::abi::PacketType::DataUsingTransferPages &&
                                packet.as<nvsp::SendRndisPacket>().channel == rndis_channel;
            (wanted ? taken : on == 0 ? kept_ : kept_on_[on]).push_back(std::move(packet));
        }
        return taken;
    }
    std::vector<devices::testing::GuestPacket> take_all(unsigned on = 0)
    {
        auto all = std::exchange(on == 0 ? kept_ : kept_on_[on], {});
        while (auto packet = channel(on).receive())
            all.push_back(std::move(*packet));
        return all;
    }
    /// Received frames, put together from their sections. Not completed.
    std::vector<ReceivedFrame> take_frames(unsigned on = 0)
    {
        std::vector<ReceivedFrame> frames;
        for (auto const& packet : take_transfers(nvsp::data_channel, on)) {
            auto const pages = read_from<hv::abi::TransferPagesHeader>(packet.header);
            CHECK(pages.page_set == receive_id);
            bool more = false;
            for (std::uint32_t i = 0; i < pages.range_count; ++i) {
                auto const message = section_bytes(packet, i);
                auto const header = read_from<rndis::Header>(message);
                auto const body = read_from<rndis::Packet>(message, sizeof header);
                CHECK(header.type == rndis::Type::Packet);
                CHECK(header.length == message.size());
                auto const infos = infos_of(message, body);
                if (!more) frames.push_back({{}, infos, 0, packet.descriptor.transaction});
                auto const data = message.begin() + sizeof header + body.data_offset;
                frames.back().bytes.insert(frames.back().bytes.end(), data, data + body.data_length);
                ++frames.back().sections;
                auto const fragment = infos.find(rndis::info_fragment);
                more = fragment != infos.end() &&
                       (fragment->second >> 8 & rndis::last_fragment) == 0; // the second byte has the flags
            }
            CHECK_FALSE(more);
        }
        return frames;
    }
    void complete(std::uint64_t transaction, unsigned on = 0)
    {
        nvsp::Completed const answer{nvsp::Type::SendRndisPacketComplete, nvsp::Status::Success};
        channel(on).send({hv::abi::PacketType::Completion, 0, 0, 0, transaction}, {}, bytes_of(answer));
    }
    void complete(devices::testing::GuestPacket const& packet) { complete(packet.descriptor.transaction); }
    void complete(ReceivedFrame const& frame, unsigned on = 0) { complete(frame.transaction, on); }

    [[nodiscard]] Bytes section_bytes(devices::testing::GuestPacket const& packet, std::size_t range) const
    {
        auto const at = sizeof(hv::abi::TransferPagesHeader) + range * sizeof(hv::abi::TransferPageRange);
        auto const where = read_from<hv::abi::TransferPageRange>(packet.header, at);
        Bytes out(where.byte_count);
        std::memcpy(out.data(), receive_pages_.at(0) + where.byte_offset, out.size());
        return out;
    }
    void put_in_section(std::uint32_t section, Bytes const& bytes) const
    {
        std::memcpy(send_pages_.at(0) + std::size_t{section} * ChannelQueue::send_section_size, bytes.data(),
                    bytes.size());
    }

    OfferedChannels bus;
    net::testing::RecordingBackend* backend = nullptr;
    std::shared_ptr<Nic> nic;
    std::map<unsigned, std::shared_ptr<devices::testing::DeviceChannel>> channels;
    std::vector<std::string> complaints;
    bool patient = false;      ///< another thread may serve the channels: whoever sends waits until it has
    rndis::Type answer_type{}; ///< of the last control message that was answered

  private:
    [[nodiscard]] bool waits() const
    {
        if (patient) std::this_thread::yield();
        return patient;
    }

    static std::map<std::uint32_t, std::uint32_t> infos_of(Bytes const& message, rndis::Packet const& body)
    {
        std::map<std::uint32_t, std::uint32_t> infos;
        auto at = sizeof(rndis::Header) + body.info_offset;
        for (auto const end = at + body.info_length; at < end;) {
            auto const info = read_from<rndis::PacketInfo>(message, at);
            infos[info.type] = read_from<std::uint32_t>(message, at + info.offset);
            at += info.size;
        }
        return infos;
    }

    devices::testing::DevicePages receive_pages_;
    devices::testing::DevicePages send_pages_;
    devices::testing::DevicePages ram_;
    std::size_t ring_pages_;
    hv::GuestMemory memory_;
    Nic::Config config_{};
    std::uint64_t transactions_ = 100;
    std::uint32_t requests_ = 10;
    std::vector<devices::testing::GuestPacket> kept_;
    std::map<unsigned, std::vector<devices::testing::GuestPacket>> kept_on_;
};

} // namespace devices::network::testing
