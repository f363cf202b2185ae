// The ends of storage channels and controllers, with commands under way and answers that wait.
#include "devices/vmbus/storage/testing/storage_setup.hpp"

#include <chrono>
#include <memory>

namespace devices::storage {

namespace {

using namespace testing;
using block::testing::RecordingBackend;
using scsi::OpCode;
using scsi::testing::cdb;
using scsi::testing::cdb10;
using scsi::testing::cdb16;

} // namespace

TEST_CASE("A channel that is closed under I/O keeps the guest's memory until that ends", "[storage]")
{
    Setup setup;
    std::weak_ptr<hv::testing::TestChannel> memory;
    {
        StorageGuest guest{setup.bus.devices[0]};
        memory = guest.channel;
        guest.initialise();
        setup.backend->later = true;
        guest.send_command(StorageGuest::command(cdb10(OpCode::Read10, 0, 8), 4096, true), 1);
        setup.bus.devices[0]->close();
        REQUIRE(guest.channel->to_guest().used() == 0);
    }
    REQUIRE_FALSE(memory.expired());
    StorageGuest next{setup.bus.devices[0]};
    REQUIRE(setup.backend->answer_next());
    REQUIRE(memory.expired());
    REQUIRE_FALSE(next.answer()); // the answer was the other channel's
    setup.backend->later = false;
    next.initialise();
    require_good(next.execute(cdb({0x00}), 0, false), 0);
}

TEST_CASE("A controller ends when nothing of it is under way", "[storage]")
{
    auto setup = std::make_unique<Setup>();
    auto guest = std::make_unique<StorageGuest>(setup->bus.devices[0]);
    guest->initialise();
    setup->backend->later = true;
    guest->send_command(StorageGuest::command(cdb10(OpCode::Read10, 0, 8), 4096, true), 1);
    setup.reset(); // waits, for a backend that was told to stop
    require_sense(guest->require_answer(), 4, 0x44, 0);
}

TEST_CASE("A controller ends with answers in it that the guest has made no room for", "[storage]")
{
    auto setup = std::make_unique<Setup>();
    auto guest = std::make_unique<StorageGuest>(setup->bus.devices[0]);
    std::weak_ptr const channel{setup->bus.devices[0]};
    std::weak_ptr const memory{guest->channel};
    guest->initialise();
    constexpr std::uint64_t more_than_fit = 220;
    for (std::uint64_t id = 1; id <= more_than_fit; ++id)
        guest->send_command(StorageGuest::command(cdb10(OpCode::Read10, 0, 8), 4096, true), id);
    REQUIRE(guest->channel->to_guest().free() < 128);
    setup.reset();
    guest.reset();
    REQUIRE(channel.expired());
    REQUIRE(memory.expired());
}

TEST_CASE("A controller ends although a command does not, which keeps the guest's memory", "[storage]")
{
    OfferedDevices bus;
    auto ram = std::make_shared<int>(0);
    std::weak_ptr<int> const alive = ram;
    auto blocks = std::make_unique<RecordingBackend>(block::Properties{.size = 4 * mib});
    auto* const backend = blocks.get();
    backend->hangs = true;
    backend->later = true;
    auto disk = std::make_shared<Disk>(scsi::DeviceType::Disk, std::move(blocks), "serial");
    {
        StorageController controller{bus, 0, 0, {.guest_ram = std::move(ram)}};
        REQUIRE(controller.add(0, disk));
        StorageGuest guest{bus.devices[0]};
        guest.initialise();
        guest.send_command(StorageGuest::command(cdb10(OpCode::Read10, 0, 8), 4096, true), 7);
        REQUIRE(backend->waiting() == 1);
        CHECK(controller.end(std::chrono::milliseconds{1}) == 1);
        bus.devices.clear();
    }
    CHECK_FALSE(alive.expired());
    REQUIRE(backend->answer_next());
    CHECK(alive.expired());
}

} // namespace devices::storage
