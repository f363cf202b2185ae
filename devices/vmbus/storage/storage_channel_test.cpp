#include "devices/block/file_backend.hpp"
#include "devices/block/testing/image.hpp"
#include "devices/vmbus/storage/testing/storage_setup.hpp"

#include <thread>

namespace devices::storage {

namespace {

using namespace testing;
using block::testing::RecordingBackend;
using scsi::OpCode;
using scsi::testing::cdb;
using scsi::testing::cdb10;
using scsi::testing::cdb16;

} // namespace

TEST_CASE("The storage protocol is negotiated as Linux and Windows do it", "[storage]")
{
    Setup setup;
    REQUIRE(setup.bus.specs.size() == 1);
    REQUIRE(to_string(setup.bus.specs[0].interface) == "ba6163d9-04a1-4d29-b605-72e2ffb1dc7f");
    for (auto const version : {0x0402, 0x0501, 0x0600, 0x0602}) {
        StorageGuest guest{setup.bus.devices[0]};
        auto begun = guest.operate(Operation::BeginInitialization);
        REQUIRE(begun.header.operation == Operation::CompleteIo);
        REQUIRE(begun.header.status == PacketStatus::Success);
        REQUIRE(guest.operate(Operation::QueryProtocolVersion, 0x0700).header.status ==
                PacketStatus::RevisionMismatch);
        auto const size = version == 0x0402 ? 48U : 64U;
        auto agreed = guest.operate(Operation::QueryProtocolVersion, static_cast<std::uint16_t>(version));
        REQUIRE(agreed.header.status == PacketStatus::Success);

        auto const answer = guest.operate(Operation::QueryProperties);
        REQUIRE(answer.size == size);
        ChannelProperties properties{};
        std::memcpy(&properties, &answer.request, sizeof properties);
        REQUIRE(properties.max_transfer_bytes == 4 * mib);
        REQUIRE(properties.max_sub_channels == (version == 0x0402 ? 0 : 3));
        REQUIRE(properties.flags == (version == 0x0402 ? 0U : 1U));
        REQUIRE(guest.operate(Operation::EndInitialization).header.status == PacketStatus::Success);
        require_good(guest.execute(cdb({0x00}), 0, false), 0);
        setup.bus.devices[0]->close();
    }
}

TEST_CASE("Storage packets out of their order are refused", "[storage]")
{
    Setup setup;
    StorageGuest guest{setup.bus.devices[0]};
    for (auto const early : {Operation::QueryProtocolVersion, Operation::QueryProperties,
                             Operation::EndInitialization, Operation::CreateSubChannels, Operation::ResetBus})
        REQUIRE(guest.operate(early, 0x0602).header.status == PacketStatus::InvalidDeviceState);
    REQUIRE(guest.execute(cdb({0x00}), 0, false).header.status == PacketStatus::InvalidDeviceState);
    REQUIRE(setup.backend->records.empty());
    guest.initialise();
    REQUIRE(guest.operate(Operation::BeginInitialization).header.status == PacketStatus::InvalidDeviceState);
    REQUIRE(guest.operate(Operation::ResetBus).header.status == PacketStatus::Success);
    REQUIRE(guest.operate(Operation{99}).header.status == PacketStatus::InvalidDeviceRequest);
}

TEST_CASE("A read and a write move the guest's pages", "[storage]")
{
    Setup setup;
    StorageGuest guest{setup.bus.devices[0]};
    guest.initialise();
    for (std::size_t i = 0; i < 8192; ++i)
        guest.data()[i] = static_cast<std::byte>(i * 7);
    require_good(guest.execute(cdb10(OpCode::Write10, 8, 16), 8192, false), 8192);
    REQUIRE(std::memcmp(&setup.backend->disk[4096], guest.data(), 8192) == 0);

    std::memset(guest.data(), 0, 8192);
    require_good(guest.execute(cdb16(OpCode::Read16, 8, 16), 8192, true), 8192);
    REQUIRE(std::memcmp(&setup.backend->disk[4096], guest.data(), 8192) == 0);

    // No more than the command asks for.
    std::memset(guest.data(), 0xEE, 8192);
    require_good(guest.execute(cdb10(OpCode::Read10, 0, 1), 8192, true), 512);
    REQUIRE(guest.data()[512] == std::byte{0xEE});
}

TEST_CASE("FLUSH is answered only when the backend has finished", "[storage]")
{
    Setup setup;
    StorageGuest guest{setup.bus.devices[0]};
    guest.initialise();
    setup.backend->later = true;
    guest.send_command(StorageGuest::command(cdb({0x35}), 0, false), 5);
    REQUIRE(setup.backend->records.back().operation == block::Operation::Flush);
    REQUIRE_FALSE(guest.answer());
    REQUIRE(setup.backend->answer_next());
    auto const answer = guest.require_answer();
    REQUIRE(answer.id == 5);
    require_good(answer, 0);
}

TEST_CASE("A WRITE with FUA is answered when write and flush have finished", "[storage]")
{
    Setup setup;
    StorageGuest guest{setup.bus.devices[0]};
    guest.initialise();
    for (bool const later : {false, true}) {
        setup.backend->later = later;
        setup.backend->records.clear();
        guest.send_command(StorageGuest::command(cdb10(OpCode::Write10, 0, 8, 0x08), 4096, false), 5);
        if (later) {
            REQUIRE_FALSE(guest.answer());
            REQUIRE(setup.backend->answer_next());
            REQUIRE_FALSE(guest.answer());
            REQUIRE(setup.backend->answer_next());
        }
        require_good(guest.require_answer(), 4096);
        REQUIRE(setup.backend->records.size() == 2);
        REQUIRE(setup.backend->records[1].operation == block::Operation::Flush);
    }
    // A write that failed is not flushed.
    setup.backend->later = true;
    guest.send_command(StorageGuest::command(cdb10(OpCode::Write10, 0, 8, 0x08), 4096, false), 6);
    REQUIRE(setup.backend->answer_next(block::Result::Failed));
    require_sense(guest.require_answer(), 3, 0x0C, 0);
    REQUIRE(setup.backend->waiting() == 0);
}

TEST_CASE("Each range of an UNMAP is discarded", "[storage]")
{
    Setup setup;
    StorageGuest guest{setup.bus.devices[0]};
    guest.initialise();
    std::vector<std::uint8_t> list(8 + 2 * 16);
    put_big_endian(std::span{list}.first(2), list.size() - 2);
    put_big_endian(std::span{list}.subspan(2, 2), 32);
    put_big_endian(std::span{list}.subspan(8 + 4, 4), 8);
    put_big_endian(std::span{list}.subspan(16, 4), 8);
    put_big_endian(std::span{list}.subspan(24 + 4, 4), 64);
    put_big_endian(std::span{list}.subspan(32, 4), 16);
    std::memcpy(guest.data(), list.data(), list.size());
    auto const size = static_cast<std::uint32_t>(list.size());
    require_good(guest.execute(cdb({0x42, 0, 0, 0, 0, 0, 0, 0, 40}), size, false), 0);
    REQUIRE(setup.backend->records == std::vector<RecordingBackend::Record>{
                                          {block::Operation::Discard, 8 * 512, 8 * 512},
                                          {block::Operation::Discard, 64 * 512, 16 * 512},
                                      });
}

TEST_CASE("What goes wrong with a backend reaches the guest as sense data", "[storage]")
{
    Setup setup;
    StorageGuest guest{setup.bus.devices[0]};
    guest.initialise();
    setup.backend->outcome = block::Result::NoSpace;
    require_sense(guest.execute(cdb10(OpCode::Write10, 0, 8), 4096, false), 7, 0x27, 7);
    setup.backend->outcome = block::Result::Failed;
    require_sense(guest.execute(cdb10(OpCode::Read10, 0, 8), 4096, true), 3, 0x11, 0);
    setup.backend->outcome = block::Result::Unreachable;
    require_sense(guest.execute(cdb({0x35}), 0, false), 4, 0x44, 0);
    setup.backend->outcome = block::Result::Done;
    require_good(guest.execute(cdb10(OpCode::Read10, 0, 8), 4096, true), 4096);
}

TEST_CASE("A file that has shrunk under the guest gives it errors", "[storage]")
{
    block::testing::TestImage const image{4 * mib};
    OfferedDevices bus;
    StorageController controller{bus, 0, 0};
    auto backend = std::make_unique<block::FileBackend>(image.path(), block::FileBackend::How{},
                                                        std::make_shared<block::IoRing>());
    REQUIRE(controller.add(0, std::make_shared<Disk>(scsi::DeviceType::Disk, std::move(backend), "serial")));
    StorageGuest guest{bus.devices[0]};
    guest.initialise();
    image.resize(mib);
    require_sense(guest.execute(cdb10(OpCode::Read10, 4096, 8), 4096, true), 5, 0x21, 0);
    require_sense(guest.execute(cdb10(OpCode::Write10, 4096, 8), 4096, false), 5, 0x21, 0);
}

TEST_CASE("Sense data fit what the guest has room for", "[storage]")
{
    Setup setup;
    StorageGuest guest{setup.bus.devices[0]};
    guest.initialise();
    auto packet = StorageGuest::command(cdb({0xFF}), 0, false);
    packet.request.sense_length = 8;
    guest.send_command(packet, 1);
    auto answer = guest.require_answer();
    REQUIRE(answer.request.sense_length == 8);
    REQUIRE(answer.request.srb_status == 0x84);
    packet.request.sense_length = 0;
    guest.send_command(packet, 1);
    answer = guest.require_answer();
    REQUIRE(answer.request.srb_status == 0x04);
    REQUIRE(answer.request.scsi_status == 0x02);
}

TEST_CASE("Where no unit is, only a scan gets an answer", "[storage]")
{
    Setup setup;
    StorageGuest guest{setup.bus.devices[0]};
    guest.initialise();
    require_good(guest.execute(cdb({0x12, 0, 0, 0, 36}), 36, true, 1), 36);
    REQUIRE(guest.data()[0] == std::byte{0x7F});
    auto const read = guest.execute(cdb10(OpCode::Read10, 0, 8), 4096, true, 1);
    REQUIRE(read.request.srb_status == 0x20); // INVALID_LUN
    REQUIRE(read.request.data_transfer_length == 0);
    REQUIRE(guest.execute(cdb({0x00}), 0, false, 200).request.srb_status == 0x20);

    auto elsewhere = StorageGuest::command(cdb({0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 64}), 64, true);
    elsewhere.request.target = 1;
    guest.send_command(elsewhere, 1);
    require_good(guest.require_answer(), 8);
    require_good(guest.execute(cdb({0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 64}), 64, true), 16);
}

TEST_CASE("A guest hears that disks come and go", "[storage]")
{
    Setup setup;
    StorageGuest guest{setup.bus.devices[0]};
    guest.initialise();
    auto blocks = std::make_unique<RecordingBackend>(block::Properties{.size = mib});
    auto* const added = blocks.get();
    REQUIRE(setup.controller.add(5, std::make_shared<Disk>(scsi::DeviceType::Disk, std::move(blocks), "second")));
    auto const told = guest.require_answer();
    REQUIRE(told.id == 0);
    REQUIRE(static_cast<int>(told.header.operation) == 11);
    require_good(guest.execute(cdb10(OpCode::Read10, 0, 8), 4096, true, 5), 4096);

    added->later = true;
    guest.send_command(StorageGuest::command(cdb10(OpCode::Read10, 0, 8), 4096, true, 5), 9);
    REQUIRE_FALSE(setup.controller.add(5, nullptr));
    REQUIRE(setup.controller.remove(5));
    REQUIRE_FALSE(setup.controller.remove(5));
    require_sense(guest.require_answer(), 4, 0x44, 0);
    REQUIRE(static_cast<int>(guest.require_answer().header.operation) == 11);
    REQUIRE(guest.execute(cdb({0x00}), 0, false, 5).request.srb_status == 0x20);
    REQUIRE(setup.controller.free_place() == 1);
}

TEST_CASE("Sub-channels carry commands", "[storage]")
{
    Setup setup;
    StorageGuest guest{setup.bus.devices[0]};
    guest.initialise();
    REQUIRE(guest.operate(Operation::CreateSubChannels, 4).header.status == PacketStatus::InvalidParameter);
    REQUIRE(guest.operate(Operation::CreateSubChannels, 2).header.status == PacketStatus::Success);
    REQUIRE(guest.operate(Operation::CreateSubChannels, 1).header.status == PacketStatus::InvalidDeviceState);
    REQUIRE(setup.bus.specs.size() == 3);
    REQUIRE(setup.bus.specs[1].sub_channel == 1);
    REQUIRE(setup.bus.specs[2].sub_channel == 2);
    REQUIRE(setup.bus.specs[2].instance == setup.bus.specs[0].instance);

    StorageGuest second{setup.bus.devices[2]};
    require_good(second.execute(cdb10(OpCode::Read10, 0, 8), 4096, true), 4096);
    REQUIRE(second.operate(Operation::CreateSubChannels, 1).header.status == PacketStatus::InvalidDeviceState);
    setup.bus.devices[0]->close();
    REQUIRE(second.execute(cdb10(OpCode::Read10, 0, 8), 4096, true).header.status ==
            PacketStatus::InvalidDeviceState);
}

TEST_CASE("Answers wait for room in the guest's ring, and the ring for answers", "[storage]")
{
    Setup setup;
    StorageGuest guest{setup.bus.devices[0]};
    guest.initialise();
    setup.backend->later = true;
    std::uint64_t sent = 0;
    std::vector<bool> answered(2000);
    std::uint64_t answers = 0;
    // More than are worked on at a time, and more than the ring for answers holds.
    while (sent < answered.size()) {
        while (sent < answered.size() && guest.channel->to_host().free() > 512)
            guest.send_command(StorageGuest::command(cdb10(OpCode::Read10, 0, 8), 4096, true), ++sent);
        REQUIRE(setup.backend->waiting() <= StorageChannel::max_under_way);
        while (setup.backend->answer_next()) {
        }
        while (auto const answer = guest.answer()) {
            REQUIRE_FALSE(answered.at(answer->id - 1));
            answered[answer->id - 1] = true;
            ++answers;
        }
        setup.bus.devices[0]->signalled(); // there is room again
    }
    while (answers < sent) {
        while (setup.backend->answer_next()) {
        }
        auto const before = answers;
        while (guest.answer())
            ++answers;
        setup.bus.devices[0]->signalled();
        REQUIRE((answers > before || setup.backend->waiting() > 0));
    }
    REQUIRE(answers == sent);
}

TEST_CASE("Storage packets with lies in them are refused", "[storage]")
{
    Setup setup;
    StorageGuest guest{setup.bus.devices[0]};
    guest.initialise();
    auto const read = StorageGuest::command(cdb10(OpCode::Read10, 0, 8), 4096, true);
    auto const first = hv::testing::TestChannel::free_page(0);
    auto const refused = [&](SentPacket const& packet, std::vector<std::byte> const& header) {
        guest.send_direct(packet, header, 3);
        auto const answer = guest.require_answer();
        return answer.header.status != PacketStatus::Success && answer.request.data_transfer_length == 0;
    };
    using hv::testing::gpa_direct_header;
    REQUIRE(refused(read, gpa_direct_header(4096, 0, {1ULL << 40})));   // no RAM
    REQUIRE(refused(read, gpa_direct_header(4096, 4096, {first})));     // an offset outside the page
    REQUIRE(refused(read, gpa_direct_header(4096, 1, {first})));        // a page too few
    REQUIRE(refused(read, gpa_direct_header(0xFFFF'FFFF, 0, {first}))); // more than anybody has
    REQUIRE(refused(read, std::vector<std::byte>(8)));                  // no range: nothing to read to
    REQUIRE(refused(read, gpa_direct_header(512, 0, {first})));         // less memory than the command moves
    auto packet = read;
    packet.request.cdb_length = 17;
    REQUIRE(refused(packet, gpa_direct_header(4096, 0, {first})));
    packet = read;
    packet.request.data_in = 0;
    REQUIRE(refused(packet, gpa_direct_header(4096, 0, {first})));
    guest.send(read, 4, 20); // cut short
    REQUIRE(guest.require_answer().header.status == PacketStatus::InvalidParameter);
    REQUIRE(setup.backend->records.empty());
    require_good(guest.execute(cdb10(OpCode::Read10, 0, 8), 4096, true), 4096);

    // A ring that makes no sense is not read any more, until the channel is opened anew.
    guest.channel->to_host().write_index().store(3);
    setup.bus.devices[0]->signalled();
    guest.channel->to_host().write_index().store(0);
    setup.bus.devices[0]->signalled();
    REQUIRE_FALSE(guest.answer());
    setup.bus.devices[0]->close();
    StorageGuest again{setup.bus.devices[0]};
    again.initialise();
}

TEST_CASE("Several threads signal a storage channel at once", "[storage][threads]")
{
    Setup setup;
    StorageGuest guest{setup.bus.devices[0]};
    guest.initialise();
    constexpr unsigned commands = 500;
    std::atomic<bool> done{false};
    std::thread other{[&] {
        while (!done)
            setup.bus.devices[0]->signalled();
    }};
    unsigned answers = 0;
    for (unsigned i = 1; i <= commands; ++i) {
        guest.send_command(StorageGuest::command(cdb({0x00}), 0, false), i);
        while (!guest.answer())
            (void)setup.bus.executor.crank_one(); // a turn that signals without end have used up goes on there
        ++answers;
    }
    done = true;
    other.join();
    REQUIRE(answers == commands);
}

} // namespace devices::storage
