// What a guest's commands take of its memory for I/O.
#include "devices/block/testing/recording_backend.hpp"
#include "devices/vmbus/storage/storage_controller.hpp"
#include "devices/vmbus/storage/testing/storage_guest.hpp"
#include "hv/testing/catch.hpp"

#include <memory>
#include <vector>

namespace devices::storage {

namespace {

using namespace testing;
using block::testing::RecordingBackend;
using scsi::OpCode;
using scsi::testing::cdb10;

constexpr std::uint64_t mib = 1 << 20;
constexpr std::size_t few = 4; ///< transactions that the budget has room for

/// A controller with a small budget, and one disk that answers when it is told to.
struct Setup {
    Setup()
    {
        auto blocks = std::make_unique<RecordingBackend>(block::Properties{.size = 4 * mib});
        backend = blocks.get();
        backend->later = true;
        REQUIRE(controller.add(0, std::make_shared<Disk>(scsi::DeviceType::Disk, std::move(blocks), "serial")));
    }

    std::shared_ptr<block::IoBudget> memory = std::make_shared<block::IoBudget>(few * Transaction::usual_memory);
    OfferedDevices bus;
    StorageController controller{bus, 0, 3, {.io_memory = memory}};
    RecordingBackend* backend;
};

SentPacket read_block()
{
    return StorageGuest::command(cdb10(OpCode::Read10, 0, 1), 512, true);
}

/// 512 bytes in pieces of four, no two of which are neighbours.
std::vector<std::byte> scattered()
{
    constexpr std::uint32_t pieces = 128;
    hv::abi::GpaDirectHeader const header{0, pieces};
    std::vector<std::byte> out(sizeof header);
    std::memcpy(out.data(), &header, sizeof header);
    for (std::uint32_t n = 0; n < pieces; ++n) {
        hv::abi::GpaRange const range{4, n * 8};
        auto const page = hv::testing::TestChannel::free_page(0);
        auto const at = out.size();
        out.resize(at + sizeof range + sizeof page);
        std::memcpy(&out[at], &range, sizeof range);
        std::memcpy(&out[at + sizeof range], &page, sizeof page);
    }
    return out;
}

} // namespace

TEST_CASE("Commands beyond the guest's memory for I/O wait in its ring", "[storage]")
{
    Setup setup;
    StorageGuest guest{setup.bus.devices[0]};
    guest.initialise();
    for (std::uint64_t id = 0; id < 12; ++id)
        guest.send_command(read_block(), id);
    CHECK(setup.backend->waiting() == few);
    CHECK(setup.memory->used() == few * Transaction::usual_memory);
    for (std::uint64_t id = 0; id < 12; ++id) {
        REQUIRE(setup.backend->answer_next());
        setup.bus.executor.crank();
        auto const answer = guest.require_answer();
        CHECK(answer.id == id);
        CHECK(answer.header.status == PacketStatus::Success);
        CHECK(setup.memory->used() <= few * Transaction::usual_memory);
    }
    CHECK(setup.backend->waiting() == 0);
    setup.bus.devices[0]->close();
    CHECK(setup.memory->used() == 0);
}

TEST_CASE("A channel gets on while another has taken all memory, and its turn after that", "[storage]")
{
    Setup setup;
    StorageGuest first{setup.bus.devices[0]};
    first.initialise();
    REQUIRE(first.operate(Operation::CreateSubChannels, 1).header.status == PacketStatus::Success);
    StorageGuest second{setup.bus.devices[1]};
    for (std::uint64_t id = 0; id < 12; ++id)
        first.send_command(read_block(), id);
    CHECK(setup.backend->waiting() == few - 1); // one is the second channel's, since it was opened

    second.send_command(read_block(), 100);
    second.send_command(read_block(), 101);
    CHECK(setup.backend->waiting() == few);
    CHECK(setup.memory->used() == few * Transaction::usual_memory);

    // The first channel keeps its own transactions for what waits in its ring.
    while (setup.backend->answer_next())
        setup.bus.executor.crank();
    unsigned answers = 0;
    while (first.answer())
        ++answers;
    CHECK(answers == 12);
    CHECK(second.require_answer().id == 100);
    CHECK(second.require_answer().id == 101);
}

TEST_CASE("Widely scattered commands take more of the memory, and wait for it", "[storage]")
{
    Setup setup;
    StorageGuest guest{setup.bus.devices[0]};
    guest.initialise();
    auto const header = scattered();
    guest.send_direct(read_block(), header, 0);
    guest.send_direct(read_block(), header, 1);
    guest.send_direct(read_block(), header, 2);
    guest.send_direct(read_block(), header, 3);
    auto const limit = few * Transaction::usual_memory;
    CHECK(setup.backend->waiting() < few);
    CHECK(setup.memory->used() <= limit);
    for (std::uint64_t id = 0; id < 4; ++id) {
        REQUIRE(setup.backend->answer_next());
        setup.bus.executor.crank();
        CHECK(guest.require_answer().id == id);
        CHECK(setup.memory->used() <= limit);
    }
    // One alone is run in any case.
    block::IoBudget::Account other{*setup.memory, [] {}};
    other.take_always(limit);
    guest.send_direct(read_block(), header, 5);
    CHECK(setup.backend->waiting() == 1);
    guest.send_direct(read_block(), header, 6);
    CHECK(setup.backend->waiting() == 1);
    REQUIRE(setup.backend->answer_next());
    setup.bus.executor.crank();
    CHECK(guest.require_answer().id == 5);
    REQUIRE(setup.backend->answer_next());
    CHECK(guest.require_answer().id == 6);
}

TEST_CASE("A channel that is closed while a command waits for memory gives everything back", "[storage]")
{
    Setup setup;
    block::IoBudget::Account other{*setup.memory, [] {}};
    StorageGuest guest{setup.bus.devices[0]};
    guest.initialise();
    other.take_always(few * Transaction::usual_memory);
    auto const header = scattered();
    guest.send_direct(read_block(), header, 1);
    guest.send_direct(read_block(), header, 2);
    setup.bus.devices[0]->close();
    REQUIRE(setup.backend->answer_next());
    CHECK(setup.memory->used() == few * Transaction::usual_memory);
    other.give_back(few * Transaction::usual_memory);
    setup.bus.executor.crank();
}

} // namespace devices::storage
