#include "devices/block/testing/recording_backend.hpp"
#include "devices/firmware/block_mailbox.hpp"
#include "hv/testing/catch.hpp"

#include <algorithm>
#include <cstring>
#include <random>

using namespace devices;
using namespace devices::firmware;
using block::testing::RecordingBackend;
using mailbox::Operation;
using mailbox::State;

namespace {

constexpr std::uint64_t ram_size = 4 << 20;
constexpr std::uint64_t request_at = 0x1000;
constexpr std::uint64_t buffer_at = 0x2000;
constexpr std::uint64_t disk_size = 8 << 20;

struct Machine {
    std::shared_ptr<std::vector<std::byte>> ram = std::make_shared<std::vector<std::byte>>(ram_size + hv::page_size);
    std::byte* start = ram->data() + (hv::page_size - reinterpret_cast<std::uintptr_t>(ram->data()) % hv::page_size);
    hv::GuestMemory memory;
    RecordingBackend* disk = nullptr;
    RecordingBackend* disc = nullptr;
    std::vector<std::shared_ptr<storage::Disk>> disks;
    std::unique_ptr<BlockMailbox> mailbox;

    Machine()
    {
        memory.add({hv::Gpa{0}, ram_size, start});
        disk = add(scsi::DeviceType::Disk, {.size = disk_size});
        disc = add(scsi::DeviceType::Disc, {.size = disk_size, .read_only = true});
        std::vector<BootUnit> units{{{1, 2, 3}, 0, disks[0]}, {{1, 2, 3}, 7, disks[1]}};
        mailbox = std::make_unique<BlockMailbox>(memory, ram, std::move(units));
    }

    RecordingBackend* add(scsi::DeviceType type, block::Properties const& properties)
    {
        auto backend = std::make_unique<RecordingBackend>(properties);
        auto* const there = backend.get();
        disks.push_back(std::make_shared<storage::Disk>(type, std::move(backend), "serial"));
        return there;
    }

    void write(std::uint64_t offset, std::uint64_t value) { mailbox->write(offset, 4, value); }
    [[nodiscard]] State state() { return static_cast<State>(mailbox->read(mailbox::state, 4)); }

    void start_at(std::uint64_t address)
    {
        write(mailbox::address_low, address & 0xFFFF'FFFF);
        write(mailbox::address_high, address >> 32);
        write(mailbox::start, 1);
    }
    State ask(mailbox::Request const& request)
    {
        std::memcpy(start + request_at, &request, sizeof request);
        start_at(request_at);
        return state();
    }
    State ask(Operation operation, std::uint32_t unit, std::uint64_t block, std::uint32_t count,
              std::uint64_t buffer = buffer_at)
    {
        return ask({operation, unit, block, buffer, count, 0});
    }
};

} // namespace

TEST_CASE("the driver learns what disks there are", "[mailbox]")
{
    Machine m;
    CHECK(m.mailbox->read(mailbox::units, 4) == 2);
    CHECK(m.state() == State::Done);

    mailbox::Unit unit{};
    REQUIRE(m.ask(Operation::Identify, 0, 0, 0) == State::Done);
    std::memcpy(&unit, m.start + buffer_at, sizeof unit);
    CHECK(unit.instance[1] == 2);
    CHECK(unit.lun == 0);
    CHECK(unit.block_size == 512);
    CHECK(unit.blocks == disk_size / 512);
    CHECK(unit.read_only == 0);
    CHECK(unit.disc == 0);

    REQUIRE(m.ask(Operation::Identify, 1, 0, 0) == State::Done);
    std::memcpy(&unit, m.start + buffer_at, sizeof unit);
    CHECK(unit.lun == 7);
    CHECK(unit.block_size == 2048);
    CHECK(unit.blocks == disk_size / 2048);
    CHECK(unit.read_only == 1);
    CHECK(unit.disc == 1);

    CHECK(m.ask(Operation::Identify, 2, 0, 0) == State::NoUnit);
    CHECK(m.ask(Operation::Identify, 0, 0, 0, ram_size - 8) == State::BadRequest);
    CHECK(m.ask(Operation::Identify, 0, 0, 0, buffer_at + 4) == State::BadRequest);
}

TEST_CASE("blocks go between a disk and the guest's memory", "[mailbox]")
{
    Machine m;
    std::fill_n(m.disk->disk.begin() + 512, 1024, std::byte{0xAB});
    REQUIRE(m.ask(Operation::Read, 0, 1, 2) == State::Done);
    CHECK(std::all_of(m.start + buffer_at, m.start + buffer_at + 1024, [](auto b) { return b == std::byte{0xAB}; }));
    CHECK(m.start[buffer_at + 1024] == std::byte{0});

    std::fill_n(m.start + buffer_at, 512, std::byte{0xCD});
    REQUIRE(m.ask(Operation::Write, 0, 5, 1) == State::Done);
    CHECK(m.disk->disk[5 * 512 + 511] == std::byte{0xCD});
    REQUIRE(m.ask(Operation::Flush, 0, 0, 0, 0) == State::Done);
    REQUIRE(m.ask(Operation::Read, 1, 3, 1) == State::Done);

    using Record = RecordingBackend::Record;
    CHECK(m.disk->records == std::vector<Record>{{block::Operation::Read, 512, 1024},
                                                 {block::Operation::Write, 5 * 512, 512},
                                                 {block::Operation::Flush, 0, 0}});
    CHECK(m.disc->records == std::vector<Record>{{block::Operation::Read, 3 * 2048, 2048}});
}

TEST_CASE("a request that cannot be is refused before a backend sees it", "[mailbox]")
{
    Machine m;
    constexpr auto blocks = disk_size / 512;
    CHECK(m.ask(Operation::Read, 0, blocks, 1) == State::BadRequest);
    CHECK(m.ask(Operation::Read, 0, blocks - 1, 2) == State::BadRequest);
    CHECK(m.ask(Operation::Read, 0, ~std::uint64_t{0}, 2) == State::BadRequest);
    CHECK(m.ask(Operation::Read, 0, 0, ~std::uint32_t{0}) == State::BadRequest);
    CHECK(m.ask(Operation::Read, 0, 0, mailbox::most_bytes / 512 + 1) == State::BadRequest);
    CHECK(m.ask(Operation::Read, 0, 0, 1, ram_size) == State::BadRequest);
    CHECK(m.ask(Operation::Read, 0, 0, 2, ram_size - 512) == State::BadRequest);
    CHECK(m.ask(Operation::Read, 0, 0, 1, ~std::uint64_t{7}) == State::BadRequest);
    CHECK(m.ask(Operation::Read, 0, 0, 1, buffer_at + 1) == State::BadRequest);
    CHECK(m.ask(static_cast<Operation>(0), 0, 0, 1) == State::BadRequest);
    CHECK(m.ask(static_cast<Operation>(5), 0, 0, 1) == State::BadRequest);
    CHECK(m.ask(Operation::Read, 2, 0, 1) == State::NoUnit);
    CHECK(m.ask(Operation::Write, 1, 0, 1) == State::WriteProtected);
    CHECK(m.ask(Operation::Flush, 1, 0, 0) == State::Done);
    CHECK(m.ask(Operation::Read, 0, blocks, 0) == State::Done);
    for (auto const address : {request_at + 8, ram_size, ~std::uint64_t{63}}) {
        m.start_at(address);
        CHECK(m.state() == State::BadRequest);
    }
    CHECK(m.disk->records.empty());
    CHECK(m.disc->records.empty());
}

TEST_CASE("a slow disk does not hold up the processor that asks", "[mailbox]")
{
    Machine m;
    m.disk->later = true;
    CHECK(m.ask(Operation::Read, 0, 1, 1) == State::Busy);
    CHECK(m.ask(Operation::Read, 0, 2, 1) == State::Busy); // not heard
    CHECK(m.disk->records.size() == 1);
    REQUIRE(m.disk->answer_next());
    CHECK(m.state() == State::Done);
    CHECK(m.ask(Operation::Read, 0, 2, 1) == State::Busy);
    REQUIRE(m.disk->answer_next(block::Result::Failed));
    CHECK(m.state() == State::Failed);
}

TEST_CASE("what is under way keeps its disk and the guest's memory", "[mailbox]")
{
    Machine m;
    m.disk->later = true;
    CHECK(m.ask(Operation::Read, 0, 1, 1) == State::Busy);
    m.mailbox.reset();
    std::weak_ptr<storage::Disk> const disk = m.disks[0];
    std::weak_ptr<void> const ram = m.ram;
    m.disks.clear();
    m.ram.reset();
    REQUIRE_FALSE(disk.expired());
    CHECK_FALSE(ram.expired());
    REQUIRE(m.disk->answer_next());
    CHECK(disk.expired());
    CHECK(ram.expired());
}

TEST_CASE("a disk that was taken away from the guest is not there for its firmware", "[mailbox]")
{
    Machine m;
    m.disks.erase(m.disks.begin());
    CHECK(m.ask(Operation::Identify, 0, 0, 0) == State::NoUnit);
    CHECK(m.ask(Operation::Read, 0, 0, 1) == State::NoUnit);
    CHECK(m.ask(Operation::Read, 1, 0, 1) == State::Done);
}

TEST_CASE("no sequence of accesses confuses the mailbox", "[mailbox][hammer]")
{
    Machine m;
    std::mt19937_64 random{3};
    for (unsigned step = 0; step < 20'000; ++step) {
        mailbox::Request const request{static_cast<Operation>(random() % 6),
                                       static_cast<std::uint32_t>(random() % 3),
                                       random() % 4 ? random() % 16400 : random(),
                                       random() % 4 ? random() % ram_size & ~std::uint64_t{7} : random(),
                                       static_cast<std::uint32_t>(random() % 4 ? random() % 8 : random()),
                                       0};
        std::memcpy(m.start + request_at, &request, sizeof request);
        auto const size = 1U << random() % 4;
        auto const offset = random() % mailbox::size & ~std::uint64_t{size - 1};
        if (random() % 2) m.start_at(random() % 8 ? request_at : random());
        random() % 2 ? (void)m.mailbox->read(offset, size) : m.mailbox->write(offset, size, random());
        REQUIRE(m.state() <= State::Failed);
    }
}
