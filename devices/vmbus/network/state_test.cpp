/// A network card whose state was put into another one goes on with the guest as the first would have.
#include "devices/vmbus/network/testing/moved_nic.hpp"
#include "hv/testing/inspected.hpp"
#include "hv/testing/moved_conversation.hpp"

namespace devices::network {

using hv::testing::Inspected;
using nvsp::Status;
using nvsp::Type;
using testing::Bytes;
using testing::bytes_of;
using testing::hex;
using testing::MovingCard;
using testing::NicGuest;
using testing::operator+;

namespace {

auto const rss_key = hex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa");

Bytes tcp4_frame(unsigned connection)
{
    return hex("525400123456 525400654321 0800"
               "45000054 00004000 40060000 c0000201 c0000202") +
           bytes_of(static_cast<std::uint16_t>(connection), std::uint16_t{0x2222}) +
           hex("00000001 00000002 50180100 0000 0000") + Bytes(44);
}

Bytes packet(std::size_t size)
{
    return NicGuest::packet_message(Bytes(size, std::byte{5}));
}

rndis::Status spread_over_two(NicGuest& guest)
{
    ndis::RssParameters parameters{};
    parameters.header = {0x89, 2, 40};
    parameters.hash = ndis::rss_hash::toeplitz | ndis::rss_hash::ipv4 | ndis::rss_hash::tcp4;
    parameters.table_size = 8;
    parameters.table_offset = 40;
    parameters.key_size = 40;
    parameters.key_offset = 48;
    return guest.set(ndis::Oid::ReceiveScaleParameters,
                     bytes_of(parameters) + Bytes(12) + bytes_of(std::uint32_t{0}, std::uint32_t{1}) + rss_key);
}

/// What a guest hears that sets a card up as Linux does, sends and receives. It goes on in another card before that
/// step.
hv::testing::Heard<Bytes> conversation(std::size_t move_before)
{
    NicGuest guest{2};
    MovingCard card{guest};
    std::vector<Bytes> heard;
    auto const hear = [&](auto const& what) { heard.push_back(bytes_of(what)); };
    auto const query = [&](ndis::Oid oid) { heard.push_back(guest.query(oid).info); };
    std::vector<std::function<void()>> const steps{
        [&] { guest.open(); },
        [&] { hear(guest.initialize(nvsp::Version::V61)); },
        [&] {
            guest.tell(nvsp::SendNdisConfig{Type::SendNdisConfig, 9014, 0, nvsp::capability_rsc, 0});
        },
        [&] {
            guest.tell(nvsp::SendNdisVersion{Type::SendNdisVersion, 6, 30});
        },
        [&] { hear(guest.send_receive_buffer()); },
        [&] { hear(guest.send_send_buffer()); },
        [&] {
            heard.push_back(guest.control(rndis::Type::Initialize, bytes_of(rndis::Initialize{1, 1, 0, 0x4000})));
        },
        [&] { query(ndis::Oid::MaximumFrameSize); },
        [&] {
            heard.push_back(guest.ask(nvsp::SubChannelRequest{Type::SubChannel, 1, 1})->payload);
        },
        [&] { guest.open(1); },
        [&] {
            for (auto const& told : guest.take_all())
                heard.push_back(told.payload); // the table
        },
        [&] { hear(spread_over_two(guest)); },
        [&] { guest.listen(); },
        [&] { hear(guest.send_section(packet(300))); },
        [&] { hear(guest.send_gpa(packet(3000), nvsp::data_channel, {}, 0, 1)); },
        [&] {
            CHECK(guest.backend->listening);
            for (unsigned i = 0; i < 8; ++i)
                guest.backend->deliver({{}, tcp4_frame(i)});
        },
        [&] {
            for (unsigned on = 0; on < 2; ++on)
                for (auto const& frame : guest.take_frames(on)) {
                    heard.push_back(frame.bytes + bytes_of(frame.infos.at(rndis::info_hash)));
                    guest.complete(frame, on);
                }
        },
        [&] { query(ndis::Oid::TransmitOk); },
        [&] { query(ndis::Oid::ReceiveOk); },
        [&] {
            hear(guest.ask(nvsp::SendBuffer{Type::RevokeReceiveBuffer, 0, NicGuest::receive_id, 0}).has_value());
        },
        [&] { guest.close(1); },
        [&] { guest.close(); },
        [&] { guest.open(); },
        [&] { hear(guest.initialize(nvsp::Version::V1)); },
    };
    auto const taken = hv::testing::take_steps(steps, move_before, [&] { card.go_on_elsewhere(); });
    hear(guest.complaints.size());
    return {heard, taken};
}

/// A value that the device tells.
std::string told(NicGuest& guest, std::string const& name, unsigned channel = 0)
{
    Inspected seen;
    guest.bus.devices.at(channel)->inspect(seen);
    return seen.at(name);
}

} // namespace

TEST_CASE("a network card goes on elsewhere at any point of the conversation", "[net][nic][state]")
{
    hv::testing::check_moves_anywhere(conversation, 21);
}

TEST_CASE("sections that the guest has stay the guest's elsewhere until it completes them", "[net][nic][state]")
{
    NicGuest guest;
    MovingCard card{guest};
    guest.set_up();
    guest.listen();
    auto const free = [&] { return std::stoul(told(guest, "receive_sections_free")); };
    auto const all = free();
    for (unsigned i = 0; i < 40; ++i)
        guest.backend->deliver({{}, Bytes(60 + i)});
    card.go_on_elsewhere();

    CHECK(free() == all - 40);
    auto const frames = guest.take_frames();
    REQUIRE(frames.size() == 40);
    for (unsigned i = 0; i < 40; ++i)
        CHECK(frames[i].bytes.size() == 60 + i);
    // What is received now does not land where those still lie.
    guest.backend->deliver({{}, Bytes(500, std::byte{9})});
    for (auto const& frame : frames)
        guest.complete(frame);
    auto const later = guest.take_frames();
    REQUIRE(later.size() == 1);
    CHECK(later[0].bytes == Bytes(500, std::byte{9}));
    guest.complete(later[0]);
    CHECK(free() == all - 1); // which is ready for the next frame
}

TEST_CASE("a guest without free sections hears of frames again elsewhere", "[net][nic][state]")
{
    NicGuest guest{1, {true, true, true}, 32}; // 77 sections
    MovingCard card{guest};
    guest.set_up();
    guest.listen();
    unsigned count = 0;
    while (guest.backend->deliver({{}, Bytes(60)}))
        ++count;
    CHECK(count > 20);
    card.go_on_elsewhere();
    CHECK(guest.backend->rooms == 0);
    for (auto const& frame : guest.take_frames())
        guest.complete(frame);
    CHECK(guest.backend->rooms > 0);
    CHECK(guest.backend->deliver({{}, Bytes(70)}));
    CHECK(guest.take_frames().back().bytes.size() == 70);
}

TEST_CASE("a large frame that was left for the backend's thread is sent elsewhere, once", "[net][nic][state]")
{
    NicGuest guest;
    MovingCard card{guest};
    guest.set_up();
    guest.backend->has_thread = true;
    CHECK(guest.send_gpa(packet(40000)) == Status::None);
    REQUIRE(guest.backend->sent.empty());
    card.go_on_elsewhere();
    REQUIRE(guest.backend->sent.size() == 1);
    CHECK(guest.backend->sent[0].bytes == Bytes(40000, std::byte{5}));
    auto const packets = guest.take_all();
    REQUIRE(packets.size() == 1);
    CHECK(packets[0].as<nvsp::Completed>().status == Status::Success);
    CHECK(guest.send_section(packet(50)) == Status::Success);
    CHECK(guest.backend->sent.size() == 2);
}

TEST_CASE("what waits for room in the ring comes elsewhere, in its order", "[net][nic][state]")
{
    NicGuest guest{1, {true, true, true}, 512, 1}; // rings of one page
    MovingCard card{guest};
    guest.set_up();
    auto const message = packet(60);
    guest.put_in_section(1, message);
    nvsp::SendRndisPacket const header{Type::SendRndisPacket, nvsp::data_channel, 1,
                                       static_cast<std::uint32_t>(message.size())};
    std::uint64_t written = 0;
    while (guest.channel().send({hv::abi::PacketType::DataInband, 0, 0, 1, 1000 + written}, {},
                                bytes_of(header) + Bytes(24)))
        ++written;
    CHECK(told(guest, "answers_waiting") == "1");
    auto const sent = guest.backend->sent.size();
    card.go_on_elsewhere();
    std::uint64_t expected = 1000;
    for (auto packets = guest.take_all(); !packets.empty(); packets = guest.take_all())
        for (auto const& completion : packets)
            CHECK(completion.descriptor.transaction == expected++);
    CHECK(expected == 1000 + written);
    CHECK(sent + guest.backend->sent.size() == written);
}

TEST_CASE("the answer to a control message that waits comes elsewhere", "[net][nic][state]")
{
    NicGuest guest{1, {true, true, true}, 512, 1};
    MovingCard card{guest};
    guest.set_up();
    guest.listen();
    while (guest.backend->deliver({{}, Bytes(60)})) {
    } // the ring is full
    auto const query = bytes_of(
        rndis::Header{rndis::Type::Query, 28},
        rndis::Request{77, static_cast<std::uint32_t>(ndis::Oid::PermanentAddress), 0, sizeof(rndis::Request), 0});
    guest.put_in_section(1, query);
    nvsp::SendRndisPacket const header{Type::SendRndisPacket, nvsp::control_channel, 1,
                                       static_cast<std::uint32_t>(query.size())};
    REQUIRE(guest.channel().send(bytes_of(header) + Bytes(24)));
    REQUIRE(told(guest, "control_answers_waiting") == "1");
    card.go_on_elsewhere();
    for (auto const& frame : guest.take_frames())
        guest.complete(frame);
    auto const answer = testing::read_from<rndis::QueryComplete>(guest.take_answer());
    CHECK(answer.request == 77);
    CHECK(answer.status == rndis::Status::Success);
}

TEST_CASE("a cable that was pulled is out elsewhere, and a guest hears once of one that was meanwhile",
          "[net][nic][state]")
{
    NicGuest guest;
    MovingCard card{guest};
    guest.set_up();
    guest.listen();
    bool const before = GENERATE(false, true);
    if (before) guest.nic->set_link(false);
    card.quiesce();
    if (!before) guest.nic->set_link(false);
    card.move();
    card.resume();
    CHECK_FALSE(guest.backend->listening);
    auto const indications = guest.take_transfers(nvsp::control_channel);
    REQUIRE(indications.size() == 1);
    auto const told_status = testing::read_from<rndis::Indicate>(guest.section_bytes(indications[0], 0), 8).status;
    CHECK(told_status == rndis::Status::MediaDisconnect);
    guest.nic->set_link(true);
    CHECK(guest.backend->listening);
}

TEST_CASE("a sub-channel that the guest had not opened yet is opened elsewhere", "[net][nic][state]")
{
    NicGuest guest{3};
    MovingCard card{guest};
    guest.set_up();
    CHECK(guest.ask(nvsp::SubChannelRequest{Type::SubChannel, 1, 2}));
    guest.open(1);
    card.go_on_elsewhere();
    CHECK(guest.take_all().empty());
    guest.open(2);
    auto const packets = guest.take_all();
    REQUIRE(packets.size() == 1);
    CHECK(packets[0].as<nvsp::SendIndirectionTable>().type == Type::SendIndirectionTable);
    CHECK(guest.bus.devices.at(0)->sub_channel(3) == nullptr);
    CHECK(guest.bus.devices.at(1)->sub_channel(1) == nullptr);
}

TEST_CASE("a network card whose saved state is a lie harms nobody, and starts anew", "[net][nic][state][hostile]")
{
    NicGuest guest{2};
    bool const open = GENERATE(false, true);
    guest.bus.devices.at(0)->quiesce({});
    if (open) guest.open();
    hv::testing::LyingState liar;
    guest.bus.devices.at(0)->visit(liar);
    guest.bus.devices.at(0)->resume();
    guest.bus.executor.crank();
    if (open) {
        static_cast<void>(guest.send_section(packet(60)));
        guest.backend->deliver({{}, Bytes(60)});
        guest.nic->set_link(false);
        guest.close();
    }
    guest.nic->set_link(true);
    guest.set_up();
    guest.listen();
    CHECK(guest.send_section(packet(60)) == Status::Success);
    CHECK(guest.backend->deliver({{}, Bytes(60)}));
    CHECK_FALSE(guest.take_frames().empty());
}

TEST_CASE("buffers that a guest cannot have had are none", "[net][nic][state][hostile]")
{
    devices::testing::DevicePages const pages{32};
    auto const make = [&](std::uint32_t size) { return ReceiveBuffer::make_again(pages.gpadl(), 1, size); };
    CHECK_FALSE(make(0));
    CHECK_FALSE(make(8));
    CHECK_FALSE(make(1679));
    CHECK_FALSE(make(8200));
    auto const buffer = make(1680);
    REQUIRE(buffer);
    constexpr auto end = ReceiveBuffer::ends_packet;
    // Sections twice, others' and beyond the end; and a packet without an end.
    buffer->restore(std::vector<Section>{3},
                    std::vector<std::uint32_t>{4, 5, 4 | end, 3 | end, 900 | end, 6, 7 | end, 8}, false);
    CHECK(buffer->free_sections() == buffer->section_count() - 3);
    CHECK(buffer->complete(6) == ReceiveBuffer::Completed::Done);
    CHECK(buffer->complete(3) == ReceiveBuffer::Completed::Unknown);
    CHECK(buffer->free_sections() == buffer->section_count() - 1);
}

} // namespace devices::network
