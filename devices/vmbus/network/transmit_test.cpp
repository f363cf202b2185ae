#include "devices/vmbus/network/testing/nic_guest.hpp"

namespace devices::network {

using testing::Bytes;
using testing::bytes_of;
using testing::hex;
using testing::NicGuest;
using testing::operator+;

namespace {

Bytes frame_of(std::size_t size, unsigned first = 0)
{
    Bytes frame(size);
    for (std::size_t i = 0; i < size; ++i)
        frame[i] = static_cast<std::byte>(first + i * 7);
    return frame;
}

/// 192.0.2.1 to 192.0.2.2, port 0x1111 to 0x2222, with the fields that a guest leaves out empty.
Bytes tcp4_frame(std::size_t payload)
{
    return hex("525400123456 525400654321 0800"
               "45000000 00014000 40060000 c0000201 c0000202"
               "11112222 00000001 00000002 50180100 0000 0000") +
           frame_of(payload, 3);
}

Bytes tcp6_frame(std::size_t payload)
{
    return hex("525400123456 525400654321 86dd"
               "60000000 0000 06 40 20010db8000000000000000000000001 20010db8000000000000000000000002"
               "11112222 00000001 00000002 50180100 0000 0000") +
           frame_of(payload, 3);
}

std::uint32_t sum16(Bytes const& bytes, std::size_t from, std::size_t to, std::uint32_t sum = 0)
{
    for (std::size_t i = from; i < to; i += 2)
        sum += std::to_integer<std::uint32_t>(bytes[i]) << 8 |
               (i + 1 < to ? std::to_integer<std::uint32_t>(bytes[i + 1]) : 0);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

std::uint32_t big16(Bytes const& bytes, std::size_t at)
{
    return sum16(bytes, at, at + 2);
}

} // namespace

TEST_CASE("A frame in a section of the send buffer goes out as it is", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    for (std::size_t const size : {14U, 60U, 1514U, 5000U}) {
        CHECK(guest.send_section(NicGuest::packet_message(frame_of(size))) == nvsp::Status::Success);
        REQUIRE_FALSE(guest.backend->sent.empty());
        CHECK(guest.backend->sent.back().bytes == frame_of(size));
        CHECK(guest.backend->sent.back().offload == net::Offload{});
    }
}

TEST_CASE("A frame in the guest's own pages goes out, wherever the pages are cut", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    for (std::size_t const size : {60U, 3900U, 9000U, 65000U}) {
        CHECK(guest.send_gpa(NicGuest::packet_message(frame_of(size))) == nvsp::Status::Success);
        REQUIRE_FALSE(guest.backend->sent.empty());
        CHECK(guest.backend->sent.back().bytes == frame_of(size));
    }
}

TEST_CASE("Several frames in one message go out one by one, the last one's data perhaps elsewhere", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    auto const padded = [](Bytes message) {
        message.resize((message.size() + 7) / 8 * 8);
        auto const length = static_cast<std::uint32_t>(message.size());
        std::memcpy(message.data() + 4, &length, sizeof length);
        return message;
    };
    auto const one = padded(NicGuest::packet_message(frame_of(61, 1)));
    auto const two = padded(NicGuest::packet_message(frame_of(102, 2)));
    auto const three = NicGuest::packet_message(frame_of(1000, 3));
    auto const all = one + two + three;
    auto const in_section = one.size() + two.size() + 44; // headers, as Linux copies them
    for (auto const& send :
         {std::function<nvsp::Status()>{[&] { return guest.send_section(all); }},
          std::function<nvsp::Status()>{[&] { return guest.send_gpa(all, nvsp::data_channel, 4, in_section); }}}) {
        guest.backend->sent.clear();
        CHECK(send() == nvsp::Status::Success);
        REQUIRE(guest.backend->sent.size() == 3);
        CHECK(guest.backend->sent[0].bytes == frame_of(61, 1));
        CHECK(guest.backend->sent[1].bytes == frame_of(102, 2));
        CHECK(guest.backend->sent[2].bytes == frame_of(1000, 3));
    }
}

TEST_CASE("Checksums of TCP and UDP are left to the backend, by where they start", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    auto const send = [&](std::uint32_t info) {
        CHECK(guest.send_section(NicGuest::packet_message(
                  tcp4_frame(100), NicGuest::info(rndis::info_checksum, info) +
                                       NicGuest::info(rndis::info_hash, 7))) == nvsp::Status::Success);
        CHECK(guest.backend->sent.back().bytes == tcp4_frame(100));
        return guest.backend->sent.back().offload;
    };
    CHECK(send(1 | 1 << 2 | 34 << 16) == net::Offload{.flags = 1, .checksum_start = 34, .checksum_offset = 16});
    CHECK(send(1 | 1 << 3 | 34 << 16) == net::Offload{.flags = 1, .checksum_start = 34, .checksum_offset = 6});
    CHECK(send(2 | 1 << 2 | 54 << 16) == net::Offload{.flags = 1, .checksum_start = 54, .checksum_offset = 16});
    CHECK(send(1) == net::Offload{});
}

TEST_CASE("The checksum of an IPv4 header is filled in when the guest wants it", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    CHECK(guest.send_gpa(NicGuest::packet_message(
              tcp4_frame(100), NicGuest::info(rndis::info_checksum, 1 | 1 << 4))) == nvsp::Status::Success);
    auto const frame = guest.backend->sent.back().bytes;
    CHECK(sum16(frame, 14, 34) == 0xffff);
    auto rest = frame;
    rest[24] = rest[25] = std::byte{0};
    CHECK(rest == tcp4_frame(100));
}

TEST_CASE("A large IPv4 frame gets its lengths, its header's checksum and the pseudo-header's sum", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    auto const large = 1448U | 34U << 20;
    CHECK(guest.send_gpa(NicGuest::packet_message(
              tcp4_frame(40000), NicGuest::info(rndis::info_large_send, large))) == nvsp::Status::Success);
    auto const& sent = guest.backend->sent.back();
    CHECK(sent.offload == net::Offload{.flags = 1,
                                       .segmentation = 1,
                                       .header_size = 54,
                                       .segment_size = 1448,
                                       .checksum_start = 34,
                                       .checksum_offset = 16});
    CHECK(big16(sent.bytes, 16) == 40040);
    CHECK(sum16(sent.bytes, 14, 34) == 0xffff);
    CHECK(big16(sent.bytes, 50) == sum16(sent.bytes, 26, 34, 6 + 40020));
    CHECK(Bytes{sent.bytes.begin() + 54, sent.bytes.end()} == frame_of(40000, 3));
}

TEST_CASE("A large IPv6 frame gets its length and the pseudo-header's sum, and a VLAN tag", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    auto const large = 1428U | 54U << 20 | 1U << 31;
    auto const vlan = 5U | 1U << 3 | 0x123U << 4; // priority 5, CFI, VLAN 0x123
    CHECK(guest.send_gpa(NicGuest::packet_message(tcp6_frame(30000), NicGuest::info(rndis::info_large_send, large) +
                                                                         NicGuest::info(rndis::info_vlan, vlan))) ==
          nvsp::Status::Success);
    auto const& sent = guest.backend->sent.back();
    CHECK(sent.offload == net::Offload{.flags = 1,
                                       .segmentation = 4,
                                       .header_size = 78,
                                       .segment_size = 1428,
                                       .checksum_start = 58,
                                       .checksum_offset = 16});
    CHECK(big16(sent.bytes, 12) == 0x8100);
    CHECK(big16(sent.bytes, 14) == 0xb123);
    CHECK(big16(sent.bytes, 16) == 0x86dd);
    CHECK(big16(sent.bytes, 22) == 30020);
    CHECK(big16(sent.bytes, 74) == sum16(sent.bytes, 26, 58, 6 + 30020));
    CHECK(sent.bytes.size() == tcp6_frame(30000).size() + 4);
}

TEST_CASE("A frame of the wrong kind for what it wants is dropped and counted", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    auto const refuses = [&](Bytes const& frame, Bytes const& infos) {
        auto const before = guest.backend->sent.size();
        CHECK(guest.send_gpa(NicGuest::packet_message(frame, infos)) == nvsp::Status::InvalidRndisPacket);
        CHECK(guest.backend->sent.size() == before);
    };
    auto const large = [](std::uint32_t segment, std::uint32_t tcp_at, bool v6 = false) {
        return NicGuest::info(rndis::info_large_send, segment | tcp_at << 20 | (v6 ? 1U << 31 : 0));
    };
    refuses(tcp4_frame(4000), large(1448, 33));       // less than an IP header
    refuses(tcp4_frame(4000), large(1448, 53, true)); // less than an IPv6 header
    refuses(tcp4_frame(4000), large(0xFFFFF, 34));
    refuses(tcp4_frame(0), large(1448, 35));
    refuses(tcp4_frame(0), large(1448, 1023));
    auto bad_length = tcp4_frame(4000);
    bad_length[46] = std::byte{0x40};
    refuses(bad_length, large(1448, 34));
    refuses(tcp4_frame(4000), NicGuest::info(rndis::info_checksum, 1 | 1 << 2 | 13 << 16));
    refuses(tcp4_frame(0), NicGuest::info(rndis::info_checksum, 1 | 1 << 2 | 38 << 16));
    refuses(Bytes(14), NicGuest::info(rndis::info_checksum, 1 | 1 << 4));

    NicGuest plain{1, {false, false}};
    plain.set_up();
    CHECK(plain.send_gpa(NicGuest::packet_message(tcp4_frame(100),
                                                  NicGuest::info(rndis::info_checksum, 1 | 1 << 2 | 34 << 16))) ==
          nvsp::Status::InvalidRndisPacket);
    CHECK(plain.send_gpa(NicGuest::packet_message(tcp4_frame(100), large(50, 34))) ==
          nvsp::Status::InvalidRndisPacket);
}

TEST_CASE("No field of a packet message takes the card out of the message", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    auto const good = NicGuest::packet_message(frame_of(100), NicGuest::info(rndis::info_hash, 1));
    for (std::size_t field = 4; field < 60; field += 4) {
        for (std::uint32_t const value :
             {0U, 1U, 7U, 36U, 52U, 99U, 152U, 153U, 200U, 4096U, 0x7FFFFFFFU, 0xFFFFFFFFU}) {
            auto message = good;
            std::memcpy(message.data() + field, &value, sizeof value);
            static_cast<void>(guest.send_section(message));
            static_cast<void>(guest.send_gpa(message));
            for (auto const& sent : guest.backend->sent)
                CHECK(sent.bytes.size() <= good.size());
            guest.backend->sent.clear();
        }
    }
    CHECK(guest.send_section(good) == nvsp::Status::Success);
}

TEST_CASE("Sections beyond the send buffer, or larger than one, are refused", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    auto const send = [&](std::uint32_t section, std::uint32_t size) {
        return guest.send_packet(hv::abi::PacketType::DataInband, {},
                                 {nvsp::Type::SendRndisPacket, nvsp::data_channel, section, size});
    };
    CHECK(send(0, 6145) == nvsp::Status::InvalidRndisPacket);
    CHECK(send(42, 6144) == nvsp::Status::InvalidRndisPacket); // 256 KiB have 42 and a bit
    CHECK(send(0x8000'0000, 100) == nvsp::Status::InvalidRndisPacket);
    CHECK(send(0xFFFF'FFFE, 100) == nvsp::Status::InvalidRndisPacket);
    CHECK(send(nvsp::no_section, 100) == nvsp::Status::Success); // nothing to send

    // Page numbers that are no RAM.
    auto const header = bytes_of(hv::abi::GpaDirectHeader{0, 1}, hv::abi::GpaRange{100, 0}, std::uint64_t{1000});
    CHECK(guest.send_packet(hv::abi::PacketType::DataUsingGpaDirect, header,
                            {nvsp::Type::SendRndisPacket, nvsp::data_channel, nvsp::no_section, 0}) ==
          nvsp::Status::InvalidRndisPacket);
}

TEST_CASE("A backend that takes no frames does not hold up the guest", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    guest.backend->accepts = false;
    for (unsigned i = 0; i < 100; ++i)
        CHECK(guest.send_section(NicGuest::packet_message(frame_of(60))) == nvsp::Status::Success);
    CHECK(guest.backend->sent.empty());
}

TEST_CASE("A large frame, and what comes after it, is left to the backend's thread", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    guest.backend->has_thread = true;
    auto const small = NicGuest::packet_message(frame_of(60));
    CHECK(guest.send_section(small) == nvsp::Status::Success);
    CHECK(guest.backend->sent.size() == 1);
    CHECK_FALSE(guest.backend->run_thread());

    CHECK(guest.send_gpa(NicGuest::packet_message(frame_of(40000))) == nvsp::Status::None); // not yet
    CHECK(guest.channel().to_host.interrupt_mask() == 1);
    CHECK(guest.send_section(small) == nvsp::Status::None);
    CHECK(guest.backend->sent.size() == 1);

    CHECK(guest.backend->run_thread());
    REQUIRE(guest.backend->sent.size() == 3);
    CHECK(guest.backend->sent[1].bytes == frame_of(40000));
    CHECK(guest.backend->sent[2].bytes == frame_of(60));
    CHECK(guest.take_all().size() == 2); // completions
    CHECK(guest.channel().to_host.interrupt_mask() == 0);
    CHECK_FALSE(guest.backend->run_thread());
    CHECK(guest.send_section(small) == nvsp::Status::Success);
}

TEST_CASE("The backend's thread looks at what it receives between packets that never end", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    guest.backend->has_thread = true;
    constexpr unsigned frames = 150;
    CHECK(guest.send_gpa(NicGuest::packet_message(frame_of(100))) == nvsp::Status::None);
    for (unsigned i = 1; i < frames; ++i)
        CHECK(guest.send_section(NicGuest::packet_message(frame_of(100))) == nvsp::Status::None);
    unsigned turns = 0;
    for (std::size_t before = 0; guest.backend->run_thread(); ++turns) {
        CHECK(guest.backend->sent.size() <= before + 64);
        before = guest.backend->sent.size();
    }
    CHECK(turns == 3);
    CHECK(guest.backend->sent.size() == frames);
    CHECK(guest.take_all().size() == frames);
}

TEST_CASE("A large frame that was left when the channel is closed is not sent on the next one", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    guest.backend->has_thread = true;
    CHECK(guest.send_gpa(NicGuest::packet_message(frame_of(40000))) == nvsp::Status::None);
    guest.close();
    auto const late = GENERATE(false, true); // the thread has not come to it before the channel is open again
    if (!late) CHECK(guest.backend->run_thread());
    CHECK(guest.backend->sent.empty());

    guest.open();
    if (late) CHECK(guest.backend->run_thread());
    CHECK(guest.initialize(nvsp::Version::V61) == nvsp::Status::Success);
    CHECK(guest.backend->sent.empty());
}

TEST_CASE("Completions wait while the guest's ring is full, and the guest's packets with them", "[net][nic]")
{
    NicGuest guest{1, {true, true}, 512, 1}; // rings of one page
    guest.set_up();
    guest.put_in_section(1, NicGuest::packet_message(frame_of(60)));
    nvsp::SendRndisPacket const message{nvsp::Type::SendRndisPacket, nvsp::data_channel, 1,
                                        static_cast<std::uint32_t>(NicGuest::packet_message(frame_of(60)).size())};
    unsigned written = 0;
    while (guest.channel().send({hv::abi::PacketType::DataInband, 0, 0, 1, 1000 + written}, {},
                                bytes_of(message) + Bytes(24)))
        ++written;
    CHECK(written > 64); // as many as fit both rings
    unsigned completed = 0;
    while (auto const packet = guest.channel().receive()) {
        CHECK(packet->descriptor.transaction == 1000 + completed);
        ++completed;
    }
    CHECK(completed == written);
    CHECK(guest.backend->sent.size() == written);
}

} // namespace devices::network
