#include "devices/vmbus/network/testing/nic_guest.hpp"

namespace devices::network {

using ndis::Oid;
using nvsp::Version;
using rndis::Status;
using testing::Bytes;
using testing::bytes_of;
using testing::NicGuest;
using testing::operator+;
using testing::read_from;

namespace {

std::uint32_t number(NicGuest& guest, Oid oid)
{
    auto const answer = guest.query(oid);
    CHECK(answer.status == Status::Success);
    CHECK(answer.info.size() == 4);
    return read_from<std::uint32_t>(answer.info);
}

Bytes rss_parameters(std::vector<std::uint32_t> const& table, std::uint16_t flags = 0)
{
    ndis::RssParameters parameters{};
    parameters.header = {0x89, 2, 40};
    parameters.flags = flags;
    parameters.hash = ndis::rss_hash::toeplitz | ndis::rss_hash::ipv4 | ndis::rss_hash::tcp4 | ndis::rss_hash::ipv6 |
                      ndis::rss_hash::tcp6;
    parameters.table_size = static_cast<std::uint16_t>(4 * table.size());
    parameters.table_offset = 40;
    parameters.key_size = 40;
    parameters.key_offset = static_cast<std::uint32_t>(40 + 4 * table.size());
    auto value = bytes_of(parameters) + Bytes(12);
    for (auto const entry : table)
        value = value + bytes_of(entry);
    return value + Bytes(40, std::byte{0x6d});
}

} // namespace

TEST_CASE("RNDIS is initialized, kept alive, reset and halted", "[net][nic]")
{
    NicGuest guest;
    guest.open();
    guest.initialize(Version::V61);
    guest.send_receive_buffer();
    auto const answer = guest.control(rndis::Type::Initialize, bytes_of(rndis::Initialize{77, 1, 0, 0x4000}));
    CHECK(guest.answer_type == rndis::Type::InitializeComplete);
    auto const complete = read_from<rndis::InitializeComplete>(answer);
    CHECK(complete.request == 77);
    CHECK(complete.status == Status::Success);
    CHECK(complete.major == 1);
    CHECK(complete.minor == 0);
    CHECK(complete.device_flags == rndis::connectionless);
    CHECK(complete.medium == rndis::medium_ethernet);
    CHECK(complete.max_packets_per_message == 8);
    CHECK(complete.alignment_factor == 3);

    auto const alive = guest.control(rndis::Type::KeepAlive, bytes_of(std::uint32_t{78}));
    CHECK(guest.answer_type == rndis::Type::KeepAliveComplete);
    CHECK(alive == bytes_of(rndis::Complete{78, Status::Success}));
    CHECK(guest.control(rndis::Type::Reset, bytes_of(std::uint32_t{0})) ==
          bytes_of(rndis::ResetComplete{Status::Success, 0}));
    CHECK(guest.answer_type == rndis::Type::ResetComplete);

    guest.listen();
    CHECK(guest.backend->listening);
    CHECK(guest.control(rndis::Type::Halt, bytes_of(std::uint32_t{79})).empty());
    CHECK_FALSE(guest.backend->listening);
}

TEST_CASE("A guest hears what its card is", "[net][nic]")
{
    NicGuest guest;
    guest.set_up(Version::V61, 9014);
    Bytes const mac{std::byte{0x52}, std::byte{0x54}, std::byte{0},
                    std::byte{0x12}, std::byte{0x34}, std::byte{0x56}};
    CHECK(guest.query(Oid::PermanentAddress).info == mac);
    CHECK(guest.query(Oid::CurrentAddress).info == mac);
    CHECK(number(guest, Oid::MaximumFrameSize) == 9000);
    CHECK(number(guest, Oid::MaximumTotalSize) == 9014);
    CHECK(number(guest, Oid::MediaConnectStatus) == 0);
    CHECK(number(guest, Oid::MediaInUse) == 0);
    CHECK(number(guest, Oid::LinkSpeed) == 100'000'000); // in 100 bit/s
    CHECK(number(guest, Oid::HardwareStatus) == 0);
    CHECK(number(guest, Oid::CurrentPacketFilter) == 0);
    guest.listen(0x0B);
    CHECK(number(guest, Oid::CurrentPacketFilter) == 0x0B);
    CHECK(guest.query(Oid::FriendlyName).info.size() == 512);
    auto const state = read_from<ndis::LinkState>(guest.query(Oid::LinkState).info);
    CHECK(state.connected == 1);
    CHECK(state.header.size == 40);
}

TEST_CASE("Every object that is said to be supported can be asked for or set", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    auto const list = guest.query(Oid::SupportedList).info;
    CHECK(list.size() / 4 > 40);
    for (std::size_t at = 0; at < list.size(); at += 4) {
        auto const oid = read_from<Oid>(list, at);
        CAPTURE(static_cast<std::uint32_t>(oid));
        auto const queried = guest.query(oid).status;
        if (queried == Status::Success) continue;
        CHECK(guest.set(oid, Bytes(1)) != Status::NotSupported);
    }
    CHECK(guest.query(Oid{0x0001'0999}).status == Status::NotSupported);
    CHECK(guest.query(Oid{0x0001'0999}).info.empty());
    CHECK(guest.set(Oid{0x0001'0999}, Bytes(4)) == Status::NotSupported);
    CHECK(guest.set(Oid::PermanentAddress, Bytes(6)) == Status::NotSupported);
}

TEST_CASE("Offload capabilities have the revision of the guest's NDIS", "[net][nic]")
{
    struct Expected {
        Version version;
        std::uint8_t revision;
        std::uint16_t size;
    };
    for (auto const [version, revision, size] :
         {Expected{Version::V4, 2, 144}, Expected{Version::V5, 3, 156}, Expected{Version::V61, 3, 156}}) {
        NicGuest guest;
        guest.set_up(version);
        auto const info = guest.query(Oid::OffloadCapabilities).info;
        auto const offload = read_from<ndis::Offload>(info);
        CHECK(info.size() == size);
        CHECK(offload.header.type == 0xA7);
        CHECK(offload.header.revision == revision);
        CHECK(offload.header.size == size);
        // What Linux looks for before it has TCP and UDP checksums and segmentation done (rndis_netdev_set_hwcaps).
        CHECK((offload.checksum_v4.send & 0x14) == 0x14);
        CHECK((offload.checksum_v4.send & 0x40) != 0);
        CHECK((offload.checksum_v6.send & 0x15) == 0x15);
        CHECK((offload.checksum_v6.send & 0x40) != 0);
        CHECK(offload.large_send.encapsulation4 == 2);
        CHECK(offload.large_send.encapsulation6 == 2);
        CHECK(offload.large_send.options6 == 5);
        CHECK(offload.large_send.max_size4 <= 65535);
        CHECK(offload.receive_coalescing[0] == (version == Version::V61 ? 1 : 0));
    }
}

TEST_CASE("A backend that does nothing to frames leaves the guest no offloads for sending", "[net][nic]")
{
    NicGuest guest{1, {false, false}};
    guest.set_up();
    auto const offload = read_from<ndis::Offload>(guest.query(Oid::OffloadCapabilities).info);
    CHECK(offload.checksum_v4.send == 0);
    CHECK(offload.checksum_v6.send == 0);
    CHECK(offload.large_send.encapsulation4 == 0);
    CHECK(offload.large_send.encapsulation6 == 0);
    CHECK(offload.checksum_v4.receive != 0);
}

TEST_CASE("The backend hears which offloads the guest has on for receiving", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    guest.listen();
    CHECK(guest.backend->receive_offloads == net::ReceiveOffloads{true, false, false});

    ndis::OffloadParameters parameters{};
    parameters.header = {0x80, 3, 26};
    parameters.tcp4_checksum = 4;
    parameters.tcp6_checksum = 4;
    parameters.large_send4 = 2;
    parameters.receive_coalescing[0] = 2;
    parameters.receive_coalescing[1] = 2;
    CHECK(guest.set(Oid::OffloadParameters, bytes_of(parameters)) == Status::Success);
    CHECK(guest.backend->receive_offloads == net::ReceiveOffloads{true, true, true});
    auto const current = read_from<ndis::Offload>(guest.query(Oid::OffloadCurrentConfig).info);
    CHECK(current.checksum_v4.send != 0);
    CHECK(current.large_send.encapsulation4 == 2);
    CHECK(current.large_send.encapsulation6 == 0);
    CHECK(current.receive_coalescing[0] == 1);

    parameters.receive_coalescing[0] = 1;
    parameters.receive_coalescing[1] = 0; // as it is
    CHECK(guest.set(Oid::OffloadParameters, bytes_of(parameters)) == Status::Success);
    CHECK(guest.backend->receive_offloads == net::ReceiveOffloads{true, false, true});
    parameters.tcp4_checksum = 1;
    CHECK(guest.set(Oid::OffloadParameters, bytes_of(parameters)) == Status::Success);
    CHECK(guest.backend->receive_offloads == net::ReceiveOffloads{false, false, false});

    CHECK(guest.set(Oid::OffloadParameters, Bytes(15)) == Status::InvalidLength);
    parameters.large_send_v1 = 2;
    CHECK(guest.set(Oid::OffloadParameters, bytes_of(parameters)) == Status::NotSupported);
}

TEST_CASE("A guest may change its address", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    auto const wide = [](std::string_view text) {
        Bytes out;
        for (auto const c : text)
            out = out + bytes_of(static_cast<std::uint16_t>(c));
        return out;
    };
    auto const config = [&](std::string_view name, std::string_view value) {
        auto const n = wide(name);
        auto const v = wide(value);
        return bytes_of(ndis::ConfigParameter{20, static_cast<std::uint32_t>(n.size()), 2,
                                              static_cast<std::uint32_t>(20 + n.size()),
                                              static_cast<std::uint32_t>(v.size())}) +
               n + v;
    };
    CHECK(guest.set(Oid::RndisConfigParameter, config("NetworkAddress", "0215a0b0c0d0")) == Status::Success);
    CHECK(guest.query(Oid::CurrentAddress).info == Bytes{std::byte{0x02}, std::byte{0x15}, std::byte{0xa0},
                                                         std::byte{0xb0}, std::byte{0xc0}, std::byte{0xd0}});
    CHECK(guest.query(Oid::PermanentAddress).info[0] == std::byte{0x52});
    CHECK(guest.set(Oid::RndisConfigParameter, config("NetworkAddress", "0315a0b0c0d0")) == Status::InvalidData);
    CHECK(guest.set(Oid::RndisConfigParameter, config("NetworkAddress", "0215a0")) == Status::InvalidData);
    CHECK(guest.set(Oid::RndisConfigParameter, config("Other", "1")) == Status::NotSupported);
    auto outside = config("NetworkAddress", "0215a0b0c0d0");
    outside[12] = std::byte{0xff}; // the value's offset
    CHECK(guest.set(Oid::RndisConfigParameter, outside) == Status::InvalidData);
}

TEST_CASE("Receive-side scaling is taken with a table and a key, and only with channels that there are", "[net][nic]")
{
    NicGuest guest{2};
    guest.set_up();
    auto const capabilities = read_from<ndis::RssCapabilities>(guest.query(Oid::ReceiveScaleCapabilities).info);
    CHECK(capabilities.receive_queues == 2);
    CHECK(capabilities.table_entries == 128);
    CHECK(guest.set(Oid::ReceiveScaleParameters, rss_parameters({0, 1, 0, 1})) == Status::Success);
    CHECK(guest.set(Oid::ReceiveScaleParameters, rss_parameters(std::vector<std::uint32_t>(128, 1))) ==
          Status::Success);
    CHECK(guest.set(Oid::ReceiveScaleParameters, rss_parameters({0, 2})) == Status::InvalidData);
    CHECK(guest.set(Oid::ReceiveScaleParameters, rss_parameters({})) == Status::InvalidData);
    CHECK(guest.set(Oid::ReceiveScaleParameters, rss_parameters({}, ndis::rss_flag_disable)) == Status::Success);
    auto cut = rss_parameters({0, 1});
    cut.pop_back();
    CHECK(guest.set(Oid::ReceiveScaleParameters, cut) == Status::InvalidData);
}

TEST_CASE("A guest hears when its cable is pulled and plugged in again", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    guest.listen();
    guest.nic->set_link(false);
    CHECK_FALSE(guest.backend->listening);
    CHECK(guest.take_answer() == bytes_of(rndis::Indicate{Status::MediaDisconnect, 0, 0}));
    CHECK(guest.answer_type == rndis::Type::Indicate);
    CHECK(number(guest, Oid::MediaConnectStatus) == 1);
    auto const sent = guest.backend->sent.size();
    CHECK(guest.send_section(NicGuest::packet_message(Bytes(60))) == nvsp::Status::Success);
    CHECK(guest.backend->sent.size() == sent); // into the void

    guest.nic->set_link(false); // no news
    CHECK(guest.take_answer().empty());
    guest.nic->set_link(true);
    CHECK(guest.backend->listening);
    CHECK(guest.take_answer() == bytes_of(rndis::Indicate{Status::MediaConnect, 0, 0}));
}

TEST_CASE("A guest hears that the network behind its card has gone, for good", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    guest.listen();
    guest.backend->lose();
    CHECK_FALSE(guest.backend->listening);
    CHECK(guest.take_answer() == bytes_of(rndis::Indicate{Status::MediaDisconnect, 0, 0}));
    CHECK(number(guest, Oid::MediaConnectStatus) == 1);
    guest.nic->set_link(true);
    CHECK_FALSE(guest.nic->link_up());
    CHECK(guest.take_answer().empty());
}

TEST_CASE("A cable that is out when the guest starts is found out", "[net][nic]")
{
    NicGuest guest;
    guest.nic->set_link(false);
    guest.set_up();
    CHECK(number(guest, Oid::MediaConnectStatus) == 1);
    guest.listen();
    CHECK_FALSE(guest.backend->listening);
    guest.nic->set_link(true);
    CHECK(guest.backend->listening);
    CHECK(guest.take_answer() == bytes_of(rndis::Indicate{Status::MediaConnect, 0, 0}));
}

TEST_CASE("A guest that never takes answers back hears no more, until it does", "[net][nic]")
{
    NicGuest guest{1, {true, true}, 7}; // 28 KiB: seventeen sections
    guest.set_up();
    unsigned answered = 0;
    unsigned busy = 0;
    std::vector<std::uint64_t> answers;
    auto const keep_alive = bytes_of(rndis::Header{rndis::Type::KeepAlive, 12}, std::uint32_t{5});
    for (unsigned i = 0; i < 50; ++i) {
        auto const status = guest.send_gpa(keep_alive, nvsp::control_channel);
        busy += status == nvsp::Status::Busy;
        answered += status == nvsp::Status::Success;
        for (auto const& packet : guest.take_transfers(nvsp::control_channel))
            answers.push_back(packet.descriptor.transaction);
    }
    CHECK(answered == 17);
    CHECK(busy == 33);
    CHECK(answers.size() == 17);
    for (auto const transaction : answers)
        guest.complete(transaction);
    CHECK(guest.control(rndis::Type::KeepAlive, bytes_of(std::uint32_t{6})).size() == 8);
}

TEST_CASE("Control messages that are none are refused", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    auto const send = [&](Bytes const& message) {
        auto const status = guest.send_gpa(message, nvsp::control_channel);
        CHECK(guest.take_answer().empty());
        return status;
    };
    CHECK(send(Bytes(4)) == nvsp::Status::InvalidRndisPacket);
    CHECK(send(bytes_of(rndis::Header{rndis::Type::Query, 8})) == nvsp::Status::InvalidRndisPacket);
    CHECK(send(bytes_of(rndis::Header{rndis::Type::Query, 7})) == nvsp::Status::InvalidRndisPacket);
    CHECK(send(bytes_of(rndis::Header{rndis::Type::Query, 0xFFFFFFFF}) + Bytes(20)) ==
          nvsp::Status::InvalidRndisPacket);
    CHECK(send(bytes_of(rndis::Header{rndis::Type{99}, 28}) + Bytes(20)) == nvsp::Status::InvalidRndisPacket);
    CHECK(send(Bytes(5000)) == nvsp::Status::Failure);

    // A value outside of the message is no value.
    for (std::uint32_t const offset : {21U, 1000U, 0xFFFFFFFFU}) {
        auto const answer = guest.control(rndis::Type::Set, bytes_of(rndis::Request{9, 0x0001'010E, 4, offset, 0}));
        CHECK(read_from<rndis::Complete>(answer).status == Status::InvalidData);
    }
}

} // namespace devices::network
