#include "devices/vmbus/network/testing/nic_guest.hpp"

#include <set>

namespace devices::network {

using testing::Bytes;
using testing::bytes_of;
using testing::hex;
using testing::NicGuest;
using testing::operator+;
using testing::ReceivedFrame;

namespace {

Bytes tcp4_frame(std::size_t payload, unsigned last_byte_of_source = 1)
{
    auto frame = hex("525400123456 525400654321 0800"
                     "45000000 00014000 40060000 c0000201 c0000202"
                     "11112222 00000001 00000002 50180100 0000 0000");
    frame[29] = static_cast<std::byte>(last_byte_of_source);
    for (std::size_t i = 0; i < payload; ++i)
        frame.push_back(static_cast<std::byte>(i * 11));
    return frame;
}

void allow_large_frames(NicGuest& guest)
{
    ndis::OffloadParameters parameters{};
    parameters.header = {0x80, 3, 26};
    parameters.receive_coalescing[0] = 2;
    parameters.receive_coalescing[1] = 2;
    CHECK(guest.set(ndis::Oid::OffloadParameters, bytes_of(parameters)) == rndis::Status::Success);
}

} // namespace

TEST_CASE("Frames reach the guest byte for byte, and in order", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    guest.listen();
    std::vector<net::testing::RecordedFrame> frames;
    for (std::size_t const size : {14U, 60U, 1000U, 1514U, 1518U})
        frames.push_back({{}, Bytes(size, static_cast<std::byte>(size))});
    CHECK(guest.backend->deliver(frames));
    auto const received = guest.take_frames();
    REQUIRE(received.size() == frames.size());
    for (std::size_t i = 0; i < frames.size(); ++i) {
        CHECK(received[i].bytes == frames[i].bytes);
        CHECK(received[i].sections == 1);
        CHECK(received[i].infos.empty());
        CHECK(received[i].transaction == received[0].transaction); // what came together is one packet
    }
    CHECK(guest.channel().interrupts > 0);
}

TEST_CASE("Nothing is received before the guest has set a packet filter", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    CHECK_FALSE(guest.backend->listening);
    guest.listen();
    CHECK(guest.backend->listening);
    guest.listen(0);
    CHECK_FALSE(guest.backend->listening);
}

TEST_CASE("Frames that are too long for the guest are dropped and counted", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    guest.listen();
    guest.backend->deliver({{}, Bytes(1519)});
    guest.backend->deliver({{}, Bytes(60000)});
    guest.backend->deliver({{}, Bytes(13)});
    CHECK(guest.take_frames().empty());
    guest.backend->deliver({{}, Bytes(1514)});
    CHECK(guest.take_frames().size() == 1);
    auto const dropped = guest.query(ndis::Oid::ReceiveNoBuffer).info;
    CHECK(testing::read_from<std::uint64_t>(dropped) == 3);
}

TEST_CASE("A checksum that has been verified need not be by the guest", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    guest.listen();
    guest.backend->deliver({{.flags = net::Offload::checksum_valid}, tcp4_frame(100)});
    auto udp = tcp4_frame(100);
    udp[23] = std::byte{17};
    guest.backend->deliver({{.flags = net::Offload::checksum_valid}, udp});
    guest.backend->deliver({{.flags = net::Offload::checksum_valid}, Bytes(60)});
    guest.backend->deliver({{}, tcp4_frame(100)});
    auto const frames = guest.take_frames();
    REQUIRE(frames.size() == 4);
    CHECK(frames[0].infos.at(rndis::info_checksum) == (1 << 3 | 1 << 5));
    CHECK(frames[1].infos.at(rndis::info_checksum) == (1 << 4 | 1 << 5));
    CHECK(frames[2].infos.empty());
    CHECK(frames[3].infos.empty());
}

TEST_CASE("A checksum that the host left out is filled in", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    guest.listen();
    auto frame = tcp4_frame(99);
    frame[50] = std::byte{0x12}; // the pseudo-header's sum, which the host puts there
    frame[51] = std::byte{0x34};
    guest.backend->deliver(
        {{.flags = net::Offload::needs_checksum, .checksum_start = 34, .checksum_offset = 16}, frame});
    auto const frames = guest.take_frames();
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].infos.at(rndis::info_checksum) == (1 << 3 | 1 << 5));
    std::uint32_t sum = 0;
    for (std::size_t i = 34; i < frame.size(); i += 2)
        sum += std::to_integer<std::uint32_t>(frames[0].bytes[i]) << 8 |
               (i + 1 < frame.size() ? std::to_integer<std::uint32_t>(frames[0].bytes[i + 1]) : 0);
    // The pseudo-header's sum was in the field and counts twice when the checksum has replaced it.
    sum += 0x1234;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    CHECK(sum == 0x1234 + 0xffff - 0x1234);
}

TEST_CASE("A large frame takes several sections and is one for the guest", "[net][nic]")
{
    NicGuest guest{1, {true, true}, 512};
    guest.set_up();
    allow_large_frames(guest);
    guest.listen();
    CHECK(guest.backend->receive_offloads.large4);
    auto const frame = tcp4_frame(64000);
    net::Offload const offload{.flags = net::Offload::needs_checksum,
                               .segmentation = 1,
                               .header_size = 54,
                               .segment_size = 1448,
                               .checksum_start = 34,
                               .checksum_offset = 16};
    guest.backend->deliver(
        std::vector<net::testing::RecordedFrame>{{{}, Bytes(60)}, {offload, frame}, {{}, Bytes(61)}});
    auto const frames = guest.take_frames();
    REQUIRE(frames.size() == 3);
    CHECK(frames[0].bytes.size() == 60);
    CHECK(frames[1].bytes == frame);
    CHECK(frames[1].sections > 1);
    CHECK(frames[1].infos.at(rndis::info_checksum) == (1 << 3 | 1 << 5 | 1 << 7));
    auto const first = frames[1].infos.at(rndis::info_fragment);
    CHECK((first & 0xFF) == 1);
    CHECK((first >> 8 & 0xFF) == 3);
    CHECK(frames[2].infos.count(rndis::info_fragment) == 0);
}

TEST_CASE("A VLAN tag is taken out of the frame and told beside it", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    guest.listen();
    auto const plain = tcp4_frame(200);
    auto tagged = plain;
    auto const tag = hex("8100 b123");
    tagged.insert(tagged.begin() + 12, tag.begin(), tag.end());
    guest.backend->deliver({{}, tagged});
    auto const frames = guest.take_frames();
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].bytes == plain);
    CHECK(frames[0].infos.at(rndis::info_vlan) == (5 | 1 << 3 | 0x123 << 4));
}

TEST_CASE("A guest that never takes frames back gets no more, and costs nothing", "[net][nic]")
{
    NicGuest guest{1, {true, true}, 64}; // 256 KiB
    guest.set_up();
    guest.listen();
    auto const buffer_sections = 64;
    unsigned got = 0;
    bool room = true;
    for (unsigned i = 0; room && i < 1000; ++i) {
        room = guest.backend->deliver({{}, Bytes(100)});
        got += static_cast<unsigned>(guest.take_frames().size());
    }
    CHECK_FALSE(room);
    CHECK(got == buffer_sections - ReceiveBuffer::control_reserve);
    CHECK(guest.backend->waiting() == 0);
    CHECK(guest.backend->rooms == 0);
    // Control goes on.
    CHECK(guest.query(ndis::Oid::LinkSpeed).status == rndis::Status::Success);
}

TEST_CASE("Frames flow again when the guest has taken back enough", "[net][nic]")
{
    NicGuest guest{1, {true, true}, 64};
    guest.set_up();
    guest.listen();
    std::vector<ReceivedFrame> held;
    while (guest.backend->deliver({{}, Bytes(100)}))
        for (auto& frame : guest.take_frames())
            held.push_back(std::move(frame));
    for (auto& frame : guest.take_frames())
        held.push_back(std::move(frame));
    CHECK(guest.backend->rooms == 0);
    for (auto const& frame : held)
        guest.complete(frame);
    CHECK(guest.backend->rooms == 1);
    CHECK(guest.backend->deliver({{}, Bytes(101)}));
    CHECK(guest.take_frames().size() == 1);
}

TEST_CASE("Frames wait for room in a full ring, and none is lost or comes twice", "[net][nic]")
{
    NicGuest guest{1, {true, true}, 512, 1}; // rings of one page
    guest.set_up();
    guest.listen();
    unsigned sent = 0;
    while (guest.backend->deliver({{}, Bytes(60, static_cast<std::byte>(sent + 1))}))
        ++sent;
    CHECK(guest.backend->rooms == 0);
    std::vector<ReceivedFrame> frames = guest.take_frames();
    CHECK(guest.backend->rooms == 1);
    CHECK(guest.backend->deliver_waiting());
    for (auto& frame : guest.take_frames())
        frames.push_back(std::move(frame));
    REQUIRE(frames.size() == sent + 1);
    for (std::size_t i = 0; i < frames.size(); ++i)
        CHECK(frames[i].bytes[0] == static_cast<std::byte>(i + 1));
}

TEST_CASE("Completions of what the guest does not have are ignored", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    guest.listen();
    guest.backend->deliver({{}, Bytes(100)});
    auto const frames = guest.take_frames();
    REQUIRE(frames.size() == 1);
    for (std::uint64_t transaction = 0; transaction < 200; ++transaction)
        if (transaction != frames[0].transaction) guest.complete(transaction);
    guest.complete(0xFFFF'FFFF'FFFF'FFFF);
    guest.complete(frames[0]);
    guest.complete(frames[0]);
    // All sections are there once: as many frames as ever, each in its own.
    std::set<std::uint64_t> transactions;
    for (unsigned i = 0; i < 100; ++i) {
        guest.backend->deliver({{}, Bytes(100)});
        for (auto const& frame : guest.take_frames())
            CHECK(transactions.insert(frame.transaction).second);
    }
    CHECK(transactions.size() == 100);
}

TEST_CASE("Connections are spread over the channels by their hash, which the guest hears", "[net][nic]")
{
    NicGuest guest{2};
    guest.set_up();
    guest.listen();
    ndis::RssParameters parameters{};
    parameters.header = {0x89, 2, 40};
    parameters.hash = ndis::rss_hash::toeplitz | ndis::rss_hash::ipv4 | ndis::rss_hash::tcp4;
    parameters.table_size = 8;
    parameters.table_offset = 40;
    parameters.key_size = 40;
    parameters.key_offset = 48;
    // The key of Microsoft's verification suite.
    auto const key = hex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa");
    CHECK(guest.ask(nvsp::SubChannelRequest{nvsp::Type::SubChannel, 1, 1}));
    guest.open(1);
    CHECK(guest.set(ndis::Oid::ReceiveScaleParameters,
                    bytes_of(parameters) + Bytes(12) + bytes_of(std::uint32_t{0}, std::uint32_t{1}) + key) ==
          rndis::Status::Success);

    for (unsigned i = 0; i < 64; ++i)
        guest.backend->deliver({{}, tcp4_frame(50, i)});
    auto const on_first = guest.take_frames(0);
    auto const on_second = guest.take_frames(1);
    CHECK(on_first.size() + on_second.size() == 64);
    CHECK(on_first.size() > 10);
    CHECK(on_second.size() > 10);
    for (auto const& frame : on_first)
        CHECK(frame.infos.at(rndis::info_hash) % 2 == 0);
    for (auto const& frame : on_second)
        CHECK(frame.infos.at(rndis::info_hash) % 2 == 1);
    for (auto const& frame : on_second)
        guest.complete(frame, 1);

    // Without its channel a connection goes to the primary one.
    guest.close(1);
    for (unsigned i = 0; i < 64; ++i)
        guest.backend->deliver({{}, tcp4_frame(50, i)});
    CHECK(guest.take_frames(0).size() == 64);
    // And frames are sent on whichever channel the guest likes.
    guest.open(1);
    CHECK(guest.send_section(NicGuest::packet_message(Bytes(77)), 3, nvsp::data_channel, 1) == nvsp::Status::Success);
    CHECK(guest.backend->sent.back().bytes.size() == 77);
    CHECK(guest.send_section(NicGuest::packet_message(Bytes(77)), 3, nvsp::control_channel, 1) ==
          nvsp::Status::Failure);
}

TEST_CASE("The hash is that of Microsoft's verification suite", "[net][nic]")
{
    auto const key = hex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa");
    Toeplitz const toeplitz{std::span<std::byte const, 40>{key}};
    // 66.9.149.187:2794 to 161.142.100.80:1766.
    CHECK(toeplitz.hash(hex("420995bb a18e6450")) == 0x323e8fc2);
    CHECK(toeplitz.hash(hex("420995bb a18e6450 0aea 06e6")) == 0x51ccc178);
    // 3ffe:2501:200:1fff::7 port 2794 to 3ffe:2501:200:3::1 port 1766.
    CHECK(toeplitz.hash(hex("3ffe2501020000030000000000000001 3ffe250102001fff0000000000000007")) != 0);
    CHECK(toeplitz.hash(hex("3ffe250102001fff0000000000000007 3ffe2501020000030000000000000001 0aea 06e6")) ==
          0x40207d3d);
}

TEST_CASE("Closing in the middle of receiving leaves nothing behind", "[net][nic]")
{
    NicGuest guest{1, {true, true}, 512, 1};
    guest.set_up();
    guest.listen();
    while (guest.backend->deliver({{}, Bytes(60)})) {
    } // a packet waits for room
    std::weak_ptr<hv::vmbus::Gpadl const> const buffer = guest.channel().gpadls.at(NicGuest::receive_gpadl);
    guest.close();
    guest.channels.clear();
    CHECK(buffer.expired());
    guest.set_up();
    guest.listen();
    guest.backend->deliver_waiting();
    guest.backend->deliver({{}, Bytes(99)});
    auto const frames = guest.take_frames();
    REQUIRE_FALSE(frames.empty());
    CHECK(frames.back().bytes.size() == 99);
}

} // namespace devices::network
