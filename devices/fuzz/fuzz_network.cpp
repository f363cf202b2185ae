/// A network card and a guest that says anything to it: packets on its rings, NVSP and RNDIS messages with any
/// fields, buffers that come and go, channels that close in the middle; and a host that keeps sending frames.
///
/// The input is a list of steps. The first byte says what (modulo 13), numbers called "value" are Input::value's:
///   0  the guest sets up all that Linux sets up: a byte for the version
///   1  an inband packet: place of an NVSP type, a byte for flags, and the payload behind the type
///   2  a packet of any type: type, length of the header between, and of the payload, and the bytes
///   3  a control message in a section: type, value of its length (0: the right one), and the bytes
///   4  an OID set (odd) or asked for: 1 byte; its number, 4 bytes; and the value
///   5  a packet message: place of a field to spoil and a value for it, infos: count, and for each type
///      and a value; the frame
///   6  a completion: a value for the transaction
///   7  the host sends: flags, segmentation, values of length and of the offsets, the first 128 bytes, and what fills
///   the rest 8  the guest reads so many packets, and completes those with sections when bit 7 is set 9  a channel is
///   closed or opened (bit 7: the sub-channel)
///  10  the cable: pulled or plugged in
///  11  memory of a ring: a value for the offset, a value for what is written there
///  12  memory will change: after so many loads (1 byte), by XOR with a value, so often (1 byte, modulo 8);
///      0 times: the guest refills a ring with a packet instead: bit 0 for the sub-channel, and up to 64 bytes
/// Bytes of any number have a value before them that says how many.
#include "devices/fuzz/flood.hpp"
#include "devices/fuzz/state.hpp"
#include "devices/net/testing/recorders.hpp"
#include "devices/testing/vmbus_channel.hpp"
#include "devices/vmbus/network/nic.hpp"
#include "hv/fuzz/changing_memory.hpp"
#include "hv/fuzz/input.hpp"
#include "hv/fuzz/play.hpp"
#include "hv/testing/inspected.hpp"

#include <array>
#include <map>

using namespace devices;
using namespace devices::network;
using hv::fuzz::Input;
using hv::fuzz::require;

namespace {

using Bytes = std::vector<std::byte>;

constexpr std::array types{1U,   100U, 101U, 103U, 104U, 106U, 107U, 108U, 125U, 129U,
                           131U, 133U, 135U, 2U,   102U, 105U, 128U, 134U, 0U,   0xFFFFFFFFU};
constexpr std::array versions{nvsp::Version::V61, nvsp::Version::V1, nvsp::Version::V2,
                              nvsp::Version::V4,  nvsp::Version::V5, nvsp::Version::V6};

constexpr std::size_t receive_pages = 40;
constexpr std::size_t send_pages = 8;
constexpr std::size_t ring_pages = 2;
constexpr std::size_t most_in_section = ChannelQueue::send_section_size;
constexpr std::uint32_t receive_gpadl = 1;
constexpr std::uint32_t send_gpadl = 2;

struct OfferedChannels final : hv::vmbus::Bus {
    void offer(hv::vmbus::OfferSpec const& spec, std::shared_ptr<hv::vmbus::ChannelDevice> device) override
    {
        devices[spec.sub_channel] = std::move(device);
    }
    void withdraw(hv::vmbus::Guid const&) override {}
    hv::vmbus::Runner& runner() override { return executor; }

    hv::testing::CrankedExecutor executor;
    std::map<unsigned, std::shared_ptr<hv::vmbus::ChannelDevice>> devices;
};

template <typename... Parts>
Bytes bytes_of(Parts const&... parts)
{
    Bytes out;
    auto const add = [&](auto const& part) {
        auto const* const from = reinterpret_cast<std::byte const*>(&part);
        out.insert(out.end(), from, from + sizeof part);
    };
    (add(parts), ...);
    return out;
}

Bytes bytes_from(Input& input, std::size_t size)
{
    Bytes out;
    for (auto const b : input.bytes(size))
        out.push_back(static_cast<std::byte>(b));
    return out;
}

void append(Bytes& to, Bytes const& what)
{
    to.insert(to.end(), what.begin(), what.end());
}

class World {
  public:
    World() : receive_{receive_pages}, send_{send_pages}, ram_{16}
    {
        memory_.add({hv::Gpa{0}, 16 * hv::page_size, ram_.at(0)});
        watch();
        auto recorder = std::make_unique<net::testing::RecordingBackend>();
        backend_ = recorder.get();
        nic_ = std::make_shared<Nic>(Nic::Config{.mac = {}, .instance = instance_id(0), .max_channels = 2},
                                     std::move(recorder), bus_);
        nic_->start();
    }
    World(World const&) = delete;
    World& operator=(World const&) = delete;
    void end()
    {
        changing_.change_after(0, 0, 0);
        bus_.executor.crank();
        hv::testing::Inspected seen;
        for (auto const& [number, device] : bus_.devices)
            device->inspect(seen);
        for (auto const& [number, channel] : channels_)
            devices::testing::save_at_rest(*bus_.devices.at(number), bus_.executor);
        close(1);
        close(0);
        require(gone_.expired(), "a closed channel is let go of");
        require(receive_gone_.expired(), "a closed channel's receive buffer is let go of");
        require(send_gone_.expired(), "a closed channel's send buffer is let go of");
    }

    void step(Input& input)
    {
        switch (input.below(13)) {
        case 0: set_up(versions[input.below(versions.size())]); break;
        case 1: inband(input); break;
        case 2: any_packet(input); break;
        case 3: control(input); break;
        case 4: oid(input); break;
        case 5: frame_out(input); break;
        case 6: complete(input.value()); break;
        case 7: frame_in(input); break;
        case 8: read(input.byte()); break;
        case 9: toggle(input.byte() >> 7); break;
        case 10: nic_->set_link(!nic_->link_up()); break;
        case 11: spoil(input); break;
        default:
            if (!changing_.change_after(input)) flood(input);
            break;
        }
        (void)bus_.executor.crank_one();
        for (auto const& sent : backend_->sent)
            require(sent.bytes.size() <= net::largest_frame + net::vlan_tag, "no frame is longer than frames are");
        require(backend_->sent.size() <= 4096, "a packet has no end of frames");
        backend_->sent.clear();
        backend_->deliver_waiting();
    }

  private:
    /// All memory that a device may read.
    void watch()
    {
        changing_.forget();
        for (auto const* const pages : {&receive_, &send_, &ram_})
            changing_.watch(pages->all());
        for (auto const& [n, channel] : channels_)
            changing_.watch(channel->pages());
    }

    void open(unsigned n)
    {
        if (channels_.contains(n) || !bus_.devices.contains(n)) return;
        auto channel = std::make_shared<devices::testing::DeviceChannel>(ring_pages, memory_);
        if (n == 0) {
            channel->gpadls = {{receive_gpadl, receive_.gpadl()}, {send_gpadl, send_.gpadl()}};
            gone_ = channel;
            receive_gone_ = channel->gpadls.at(receive_gpadl);
            send_gone_ = channel->gpadls.at(send_gpadl);
        }
        channel->connect(bus_.devices.at(n).get());
        channels_[n] = channel;
        watch();
        bus_.devices.at(n)->open(channel);
    }
    void close(unsigned n)
    {
        auto const found = channels_.find(n);
        if (found == channels_.end()) return;
        bus_.devices.at(n)->close();
        found->second->connect(nullptr);
        channels_.erase(found);
        watch();
    }
    void toggle(unsigned n)
    {
        if (!channels_.contains(n)) return open(n);
        if (n == 0) { // as the bus does it
            close(1);
            bus_.devices.erase(1);
        }
        close(n);
    }

    void set_up(nvsp::Version version)
    {
        open(0);
        auto const number = static_cast<std::uint32_t>(version);
        send(bytes_of(nvsp::Init{nvsp::Type::Init, number, number}));
        send(bytes_of(nvsp::SendNdisConfig{nvsp::Type::SendNdisConfig, 1514, 0, nvsp::capability_rsc, 0}));
        send(bytes_of(nvsp::SendNdisVersion{nvsp::Type::SendNdisVersion, 6, 30}));
        send(bytes_of(nvsp::SendBuffer{nvsp::Type::SendReceiveBuffer, receive_gpadl, 7, 0}));
        send(bytes_of(nvsp::SendBuffer{nvsp::Type::SendSendBuffer, send_gpadl, 8, 0}));
        send_message(bytes_of(rndis::Header{rndis::Type::Initialize, 24}, rndis::Initialize{1, 1, 0, 0x4000}),
                     nvsp::control_channel);
        send_message(bytes_of(rndis::Header{rndis::Type::Set, 32},
                              rndis::Request{2, static_cast<std::uint32_t>(ndis::Oid::CurrentPacketFilter), 4, 20, 0},
                              std::uint32_t{9}),
                     nvsp::control_channel);
        ndis::OffloadParameters offloads{};
        offloads.header = {ndis::type_default, 3, sizeof offloads};
        offloads.receive_coalescing[0] = 2;
        send_message(bytes_of(rndis::Header{rndis::Type::Set, 28 + sizeof offloads},
                              rndis::Request{3, static_cast<std::uint32_t>(ndis::Oid::OffloadParameters),
                                             sizeof offloads, 20, 0},
                              offloads),
                     nvsp::control_channel);
        read(64 | 0x80);
    }

    void send(Bytes payload, std::uint16_t flags = 1)
    {
        if (!channels_.contains(0)) return;
        payload.resize(std::max<std::size_t>(payload.size(), 40));
        channels_[0]->send(payload, 5, flags);
    }
    /// In a section of the send buffer; on the sub-channel when that is open and it is a frame.
    void send_message(Bytes const& message, std::uint32_t rndis_channel)
    {
        std::memcpy(send_.at(0) + ChannelQueue::send_section_size, message.data(), message.size());
        nvsp::SendRndisPacket const packet{nvsp::Type::SendRndisPacket, rndis_channel, 1,
                                           static_cast<std::uint32_t>(message.size())};
        auto const on = rndis_channel == nvsp::data_channel && channels_.contains(1) ? 1U : 0U;
        if (channels_.contains(on)) channels_[on]->send(bytes_of(packet), 6, 1);
    }

    void inband(Input& input)
    {
        auto payload = bytes_of(types[input.below(types.size())]);
        auto const flags = input.byte();
        append(payload, bytes_from(input, input.value()));
        if (channels_.contains(0)) channels_[0]->send(payload, 9, flags);
    }
    void any_packet(Input& input)
    {
        auto const type = static_cast<hv::abi::PacketType>(input.below(14));
        auto const header = bytes_from(input, input.value() / 8 * 8);
        auto const payload = bytes_from(input, input.value());
        auto const on = channels_.contains(1) && payload.size() % 2 == 1 ? 1U : 0U;
        if (channels_.contains(on)) channels_[on]->send({type, 0, 0, 1, 3}, header, payload);
    }
    void flood(Input& input)
    {
        auto const on = channels_.contains(1) && input.byte() % 2 == 1 ? 1U : 0U;
        auto const payload = bytes_from(input, 64);
        if (!channels_.contains(on)) return;
        auto const& ring = channels_[on]->to_host;
        if (ring.read_index() % 8 != 0 || ring.read_index() >= ring.size()) return;
        devices::testing::carry_out(
            {*bus_.devices.at(on), ring, {hv::abi::PacketType::DataInband, 0, 0, 0, 3}, {}, payload}, changing_,
            bus_.executor);
    }
    void control(Input& input)
    {
        auto const type = static_cast<rndis::Type>(input.value());
        auto const length = static_cast<std::uint32_t>(input.value());
        auto const body = bytes_from(input, std::min<std::uint64_t>(input.value(), most_in_section - 8));
        auto message =
            bytes_of(rndis::Header{type, length != 0 ? length : static_cast<std::uint32_t>(8 + body.size())});
        append(message, body);
        send_message(message, nvsp::control_channel);
    }
    void oid(Input& input)
    {
        bool const is_set = input.byte() % 2 != 0;
        auto const number = input.take<std::uint32_t>();
        auto const value = bytes_from(input, std::min<std::uint64_t>(input.value(), most_in_section - 28));
        auto const type = is_set ? rndis::Type::Set : rndis::Type::Query;
        auto message = bytes_of(rndis::Header{type, static_cast<std::uint32_t>(28 + value.size())},
                                rndis::Request{4, number, static_cast<std::uint32_t>(value.size()), 20, 0});
        append(message, value);
        send_message(message, nvsp::control_channel);
    }
    void frame_out(Input& input)
    {
        auto const field = input.below(12) * 4;
        auto const spoilt = static_cast<std::uint32_t>(input.value());
        Bytes infos;
        for (auto count = input.below(5); count > 0; --count) {
            auto const type = input.below(12);
            append(infos, bytes_of(rndis::PacketInfo{16, type, 12}, static_cast<std::uint32_t>(input.value())));
        }
        auto const frame = bytes_from(input, std::min<std::uint64_t>(input.value(), most_in_section - 256));
        rndis::Packet packet{};
        packet.data_offset = static_cast<std::uint32_t>(sizeof packet + infos.size());
        packet.data_length = static_cast<std::uint32_t>(frame.size());
        packet.info_offset = sizeof packet;
        packet.info_length = static_cast<std::uint32_t>(infos.size());
        auto const length = sizeof(rndis::Header) + packet.data_offset + frame.size();
        auto message = bytes_of(rndis::Header{rndis::Type::Packet, static_cast<std::uint32_t>(length)}, packet);
        append(message, infos);
        append(message, frame);
        if (field < 44 && spoilt != 0) std::memcpy(message.data() + field, &spoilt, sizeof spoilt);
        send_message(message, nvsp::data_channel);
    }
    void complete(std::uint64_t transaction)
    {
        auto const on = channels_.contains(1) && transaction % 2 == 1 ? 1U : 0U;
        nvsp::Completed const done{nvsp::Type::SendRndisPacketComplete, nvsp::Status::Success};
        if (channels_.contains(on))
            channels_[on]->send({hv::abi::PacketType::Completion, 0, 0, 0, transaction}, {}, bytes_of(done));
    }
    void frame_in(Input& input)
    {
        net::testing::RecordedFrame frame;
        frame.offload.flags = input.byte();
        frame.offload.segmentation = input.byte();
        auto const size = input.value() % (net::largest_frame + 1);
        frame.offload.checksum_start = static_cast<std::uint16_t>(input.value());
        frame.offload.checksum_offset = static_cast<std::uint16_t>(input.value());
        frame.bytes = bytes_from(input, std::min<std::size_t>(size, 128));
        frame.bytes.resize(size, static_cast<std::byte>(input.byte()));
        if (backend_->waiting() < 100) backend_->deliver(std::move(frame));
    }
    void read(unsigned how)
    {
        for (auto const& [n, channel] : channels_) {
            for (auto left = how & 0x7F; left > 0; --left) {
                auto const packet = channel->receive();
                if (!packet) break;
                if ((how & 0x80) == 0 || packet->descriptor.type != hv::abi::PacketType::DataUsingTransferPages)
                    continue;
                nvsp::Completed const done{nvsp::Type::SendRndisPacketComplete, nvsp::Status::Success};
                channel->send({hv::abi::PacketType::Completion, 0, 0, 0, packet->descriptor.transaction}, {},
                              bytes_of(done));
            }
        }
    }
    void spoil(Input& input)
    {
        auto const at = input.value();
        auto const word = static_cast<std::uint32_t>(input.value());
        if (!channels_.contains(0)) return;
        auto& ring = (at & 1) != 0 ? channels_[0]->from_host : channels_[0]->to_host;
        if ((at & 2) != 0) {
            std::memcpy(ring.data() - hv::page_size + at / 4 % 5 * 4, &word, sizeof word);
        } else {
            std::memcpy(ring.data() + at / 4 % (ring.size() / 4) * 4, &word, sizeof word);
        }
        if ((at & 1) != 0)
            close_and_forget();
        else
            bus_.devices.at(0)->signalled();
    }
    /// The test's own end of a ring cannot be read any more.
    void close_and_forget()
    {
        bus_.devices.at(0)->signalled();
        backend_->deliver({{}, Bytes(60)});
        toggle(0);
    }

    hv::fuzz::ChangingMemory changing_;
    devices::testing::DevicePages receive_;
    devices::testing::DevicePages send_;
    devices::testing::DevicePages ram_;
    hv::GuestMemory memory_;
    OfferedChannels bus_;
    net::testing::RecordingBackend* backend_ = nullptr;
    std::shared_ptr<Nic> nic_;
    std::map<unsigned, std::shared_ptr<devices::testing::DeviceChannel>> channels_;
    std::weak_ptr<devices::testing::DeviceChannel> gone_;
    std::weak_ptr<hv::vmbus::Gpadl const> receive_gone_;
    std::weak_ptr<hv::vmbus::Gpadl const> send_gone_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    Input input{{data, size}};
    World world;
    return hv::fuzz::play(world, input);
}
