#include "devices/vmbus/network/testing/nic_guest.hpp"

namespace devices::network {

using nvsp::Status;
using nvsp::Type;
using nvsp::Version;
using testing::Bytes;
using testing::bytes_of;
using testing::NicGuest;

TEST_CASE("A card is offered as what Linux and Windows have a driver for", "[net][nic]")
{
    NicGuest guest;
    REQUIRE(guest.bus.specs.size() == 1);
    CHECK(to_string(guest.bus.specs[0].interface) == "f8615163-df3e-46c5-913f-f2d2f965ed0e");
    CHECK(instance_id(0) != instance_id(1));
    CHECK(instance_id(1) == instance_id(1));
}

TEST_CASE("Each NVSP version is agreed on, and others are not", "[net][nic]")
{
    for (auto const version : {Version::V1, Version::V2, Version::V4, Version::V5, Version::V6, Version::V61}) {
        NicGuest guest;
        guest.open();
        auto const number = static_cast<std::uint32_t>(version);
        CAPTURE(number);
        for (std::uint32_t const other : {0U, 1U, 3U, 0x30001U, 0x50001U, 0x60002U, 0x70000U, 0xFFFFFFFFU})
            CHECK(guest.initialize(Version{other}) != Status::Success);

        auto const answer = guest.ask(nvsp::Init{Type::Init, number, number});
        REQUIRE(answer);
        auto const complete = answer->as<nvsp::InitComplete>();
        CHECK(complete.type == Type::InitComplete);
        CHECK(complete.status == Status::Success);
        CHECK(answer->payload.size() == (version == Version::V61 ? 40 : 32));
        CHECK(guest.initialize(version) != Status::Success); // once is enough
    }
}

TEST_CASE("Before a version is agreed on there are no buffers", "[net][nic]")
{
    NicGuest guest;
    guest.open();
    auto const answer =
        guest.ask(nvsp::SendBuffer{Type::SendReceiveBuffer, NicGuest::receive_gpadl, NicGuest::receive_id, 0});
    REQUIRE(answer);
    CHECK(answer->payload.empty());
}

TEST_CASE("The receive buffer is cut into sections that hold the guest's frames", "[net][nic]")
{
    for (std::uint32_t const frame : {1514U, 9014U, 65535U}) {
        NicGuest guest;
        guest.open();
        guest.initialize(Version::V61);
        guest.tell(nvsp::SendNdisConfig{Type::SendNdisConfig, frame, 0, 0, 0});
        auto const buffer = guest.send_receive_buffer();
        CHECK(buffer.type == Type::SendReceiveBufferComplete);
        CHECK(buffer.status == Status::Success);
        CHECK(buffer.section_count == 1);
        CHECK(buffer.offset == 0);
        CHECK(buffer.allocation_size >= frame + 128 + 36);
        CHECK(buffer.allocation_count >= 16);
        CHECK(std::uint64_t{buffer.allocation_size} * buffer.allocation_count <= 512 * 4096);
        CHECK(buffer.end == buffer.allocation_size * buffer.allocation_count);
        CHECK(guest.send_receive_buffer().status == Status::Failure); // there is one
    }
}

TEST_CASE("A receive buffer that does not exist, or is too small, is refused, and another one taken", "[net][nic]")
{
    NicGuest small{1, {true, true}, 4};
    small.open();
    small.initialize(Version::V61);
    CHECK(small.send_receive_buffer(0x77).status == Status::Failure);
    CHECK(small.send_receive_buffer().status == Status::Failure); // 16 KiB: not sixteen frames

    NicGuest guest;
    guest.open();
    guest.initialize(Version::V61);
    CHECK(guest.send_receive_buffer(0).status == Status::Failure);
    CHECK(guest.send_send_buffer(0).status == Status::Failure);
    CHECK(guest.send_receive_buffer().status == Status::Success);
    auto const send = guest.send_send_buffer();
    CHECK(send.type == Type::SendSendBufferComplete);
    CHECK(send.status == Status::Success);
    CHECK(send.section_size == 6144);
    CHECK(guest.send_send_buffer().status == Status::Failure);
}

TEST_CASE("A guest gets its buffers back when it revokes them", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    guest.listen();
    std::weak_ptr<hv::vmbus::Gpadl const> const receive = guest.channel().gpadls.at(NicGuest::receive_gpadl);
    std::weak_ptr<hv::vmbus::Gpadl const> const send = guest.channel().gpadls.at(NicGuest::send_gpadl);
    guest.backend->deliver({{}, Bytes(100)}); // the card holds a section for the next frame then
    guest.channel().gpadls.clear();
    CHECK_FALSE(receive.expired());
    CHECK_FALSE(send.expired());

    guest.tell(nvsp::SendBuffer{Type::RevokeReceiveBuffer, NicGuest::receive_id, 0, 0});
    CHECK(receive.expired());
    guest.tell(nvsp::SendBuffer{Type::RevokeSendBuffer, 0, 0, 0});
    CHECK(send.expired());
    guest.backend->deliver({{}, Bytes(100)});
    CHECK(guest.take_frames().size() == 1); // the one from before
}

TEST_CASE("A channel that is closed lets go of all guest memory, and opens anew", "[net][nic]")
{
    NicGuest guest;
    for (unsigned round = 0; round < 100; ++round) {
        guest.set_up();
        guest.listen();
        CHECK(guest.backend->listening);
        guest.backend->deliver({{}, Bytes(100)});
        CHECK(guest.take_frames().size() == 1);
        std::weak_ptr<hv::vmbus::Channel> const channel = guest.channels.at(0);
        std::weak_ptr<hv::vmbus::Gpadl const> const receive = guest.channel().gpadls.at(NicGuest::receive_gpadl);
        guest.close();
        CHECK_FALSE(guest.backend->listening);
        guest.channels.clear();
        CHECK(channel.expired());
        CHECK(receive.expired());
    }
}

TEST_CASE("Messages for which there is nothing here are answered, so that the guest goes on", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    // The only data path there is stays the one in use.
    CHECK(guest.ask(nvsp::SubChannelRequest{Type::SwitchDataPath, 1, 0})->payload.empty());
    auto const query = guest.ask(nvsp::SubChannelRequest{Type::OidQueryEx, 0, 0});
    CHECK(query->as<nvsp::OidQueryExComplete>().type == Type::OidQueryExComplete);
    CHECK(query->as<nvsp::OidQueryExComplete>().status == 0xC000'00BB);
    CHECK(guest.ask(nvsp::SubChannelRequest{Type::PacketDirect, 1, 0})->as<nvsp::PacketDirectComplete>().status ==
          0xC000'00BB);
    for (std::uint32_t const type : {0U, 3U, 99U, 109U, 128U, 130U, 137U, 0xFFFFFFFFU})
        CHECK(guest.ask(nvsp::SubChannelRequest{Type{type}, 0, 0}));
}

TEST_CASE("Sub-channels are offered as the guest asks for them, as many as there are", "[net][nic]")
{
    NicGuest guest{4};
    guest.set_up();
    auto const answer = guest.ask(nvsp::SubChannelRequest{Type::SubChannel, 1, 7})->as<nvsp::SubChannelComplete>();
    CHECK(answer.type == Type::SubChannel);
    CHECK(answer.status == Status::Success);
    CHECK(answer.count == 3);
    CHECK(guest.bus.devices.size() == 4);
    for (unsigned i = 1; i < 4; ++i) {
        CHECK(guest.bus.specs.at(i).instance == guest.bus.specs.at(0).instance);
        CHECK(guest.bus.specs.at(i).sub_channel == i);
    }
    CHECK(guest.ask(nvsp::SubChannelRequest{Type::SubChannel, 1, 1})->as<nvsp::SubChannelComplete>().status ==
          Status::Failure);
}

TEST_CASE("When all sub-channels are open, the guest hears how to spread what it sends", "[net][nic]")
{
    NicGuest guest{3};
    guest.set_up();
    CHECK(guest.ask(nvsp::SubChannelRequest{Type::SubChannel, 1, 2}));
    guest.open(1);
    CHECK(guest.take_all().empty());
    guest.open(2);
    auto const packets = guest.take_all();
    REQUIRE(packets.size() == 1);
    auto const table = packets[0].as<nvsp::SendIndirectionTable>();
    CHECK(packets[0].descriptor.type == hv::abi::PacketType::DataInband);
    CHECK(table.type == Type::SendIndirectionTable);
    CHECK(table.count == 16);
    for (unsigned i = 0; i < 16; ++i)
        CHECK(testing::read_from<std::uint32_t>(packets[0].payload, table.offset + 4 * i) == i % 3);
}

TEST_CASE("Versions before 5 have no sub-channels", "[net][nic]")
{
    NicGuest guest{4};
    guest.set_up(Version::V4);
    CHECK(guest.ask(nvsp::SubChannelRequest{Type::SubChannel, 1, 2})->payload.empty());
    CHECK(guest.bus.devices.size() == 1);
}

TEST_CASE("A guest that spoils its ring is told of once, and may open the channel anew", "[net][nic]")
{
    NicGuest guest;
    guest.set_up();
    guest.channel().to_host.write_index() = 0x12345677;
    guest.bus.devices.at(0)->signalled();
    guest.bus.devices.at(0)->signalled();
    CHECK(guest.complaints.size() == 1);
    guest.close();
    guest.set_up();
    guest.listen();
    CHECK(guest.backend->listening);
}

} // namespace devices::network
