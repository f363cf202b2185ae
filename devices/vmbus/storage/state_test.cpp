/// A storage controller whose state was put into another one goes on with the guest as the first would have.
#include "devices/vmbus/storage/testing/moved_storage.hpp"
#include "devices/vmbus/storage/testing/storage_setup.hpp"
#include "hv/testing/inspected.hpp"
#include "hv/testing/moved_conversation.hpp"

#include <string>

namespace devices::storage {

namespace {

using namespace testing;
using block::testing::RecordingBackend;
using scsi::OpCode;
using scsi::testing::cdb;
using scsi::testing::cdb10;
using scsi::testing::cdb16;

constexpr std::uint32_t page = hv::page_size;
constexpr std::uint32_t blocks = page / 512;

std::string bytes_of(Answer const& answer)
{
    std::string out(sizeof answer.header + sizeof answer.request, '\0');
    std::memcpy(out.data(), &answer.header, sizeof answer.header);
    std::memcpy(out.data() + sizeof answer.header, &answer.request, sizeof answer.request);
    return std::to_string(answer.id) + ':' + std::to_string(answer.size) + ':' + out;
}

/// What a guest hears that sets a controller up as Linux does and uses it. It goes on in another one before that
/// step.
hv::testing::Heard<std::string> conversation(std::size_t move_before)
{
    MovingStorage storage;
    auto& guest = storage.open();
    StorageGuest* second = nullptr;
    std::vector<std::string> heard;
    auto const operate = [&](Operation operation, std::uint16_t word = 0) {
        heard.push_back(bytes_of(guest.operate(operation, word)));
    };
    std::vector<std::function<void()>> const steps{
        [&] { operate(Operation::BeginInitialization); },
        [&] { operate(Operation::QueryProtocolVersion, 0x0777); },
        [&] { operate(Operation::QueryProtocolVersion, 0x0602); },
        [&] { operate(Operation::QueryProperties); },
        [&] { operate(Operation::EndInitialization); },
        [&] { operate(Operation::CreateSubChannels, 1); },
        [&] { operate(Operation::CreateSubChannels, 1); }, // refused
        [&] { second = &storage.open(1); },
        [&] {
            heard.push_back(bytes_of(guest.execute(cdb({0x12, 0, 0, 0, 96}), 96, true)));
        },
        [&] {
            std::memset(guest.data(), 0x5A, page);
            heard.push_back(bytes_of(guest.execute(cdb10(OpCode::Write10, blocks, blocks), page, false)));
        },
        [&] { heard.push_back(bytes_of(second->execute(cdb16(OpCode::Read16, blocks, blocks), page, true))); },
        [&] { heard.push_back(std::to_string(static_cast<int>(second->data()[17]))); },
        [&] { heard.push_back(bytes_of(guest.execute(cdb({0xFE}), 0, false))); },
        [&] { heard.push_back(bytes_of(guest.execute(cdb10(OpCode::Read10, 1 << 20, 1), 512, true))); },
        [&] {
            hv::testing::Inspected seen;
            storage.bus().devices[0]->inspect(seen);
            for (auto const* const counter : {"commands", "errors", "broken_rings", "version"})
                heard.push_back(counter + seen.at(counter));
        },
    };
    auto const taken = hv::testing::take_steps(steps, move_before, [&] { storage.go_on_elsewhere(); });
    return {heard, taken};
}

/// Answers to commands, by the guest's names for them.
std::vector<std::uint64_t> ids(StorageGuest& guest)
{
    std::vector<std::uint64_t> out;
    while (auto const answer = guest.answer()) {
        CHECK(answer->header.operation == Operation::CompleteIo);
        CHECK(answer->header.status == PacketStatus::Success);
        out.push_back(answer->id);
    }
    return out;
}

/// A command about the n-th page of the disk and of the guest's memory.
void send(StorageGuest& guest, OpCode what, std::uint32_t n, std::uint8_t flags = 0)
{
    auto const header = hv::testing::gpa_direct_header(page, 0, {hv::testing::TestChannel::free_page(n)});
    guest.send_direct(StorageGuest::command(cdb10(what, n * blocks, blocks, flags), page, what == OpCode::Read10),
                      header, n);
}

} // namespace

TEST_CASE("a storage controller goes on elsewhere at any point of the conversation", "[storage][state]")
{
    hv::testing::check_moves_anywhere(conversation, 16);
}

TEST_CASE("commands that no backend has answered are carried out elsewhere, once each and in order",
          "[storage][state]")
{
    MovingStorage storage;
    auto& guest = storage.open();
    guest.initialise();
    storage.backend().later = true;
    std::fill_n(storage.backend().disk.begin() + 2 * page, page, std::byte{0x22});
    std::memset(guest.data(1), 0x11, page);
    send(guest, OpCode::Write10, 1, 0x08); // with FUA
    send(guest, OpCode::Read10, 2);
    std::memset(guest.data(3), 0, page);
    auto const unmap = [&] { // of the fifth page
        auto* const list = reinterpret_cast<std::uint8_t*>(guest.data(3));
        list[1] = 22;
        list[3] = 16;
        list[15] = 5 * blocks;
        list[19] = blocks;
    };
    unmap();
    std::fill_n(storage.backend().disk.begin() + 5 * page, page, std::byte{0x55});
    auto const header = hv::testing::gpa_direct_header(24, 0, {hv::testing::TestChannel::free_page(3)});
    guest.send_direct(StorageGuest::command(cdb({0x42, 0, 0, 0, 0, 0, 0, 0, 24}), 24, false), header, 3);
    guest.send_command(StorageGuest::command(cdb({0x35}), 0, false), 4); // SYNCHRONIZE CACHE
    REQUIRE(storage.backend().waiting() == 4);

    storage.go_on_elsewhere();
    CHECK(ids(guest) == std::vector<std::uint64_t>{1, 2, 3, 4});
    std::vector<block::Operation> operations;
    for (auto const& record : storage.backend().records)
        operations.push_back(record.operation);
    using enum block::Operation;
    CHECK(operations == std::vector{Write, Flush, Read, Discard, Flush});
    CHECK(storage.backend().disk[page] == std::byte{0x11});
    CHECK(guest.data(2)[page - 1] == std::byte{0x22});
    CHECK(storage.backend().disk[5 * page] == std::byte{0});
    send(guest, OpCode::Read10, 5);
    CHECK(ids(guest) == std::vector<std::uint64_t>{5});
}

TEST_CASE("answers that came while a controller was at rest are given elsewhere, and nothing is done again",
          "[storage][state]")
{
    MovingStorage storage;
    auto& guest = storage.open();
    guest.initialise();
    storage.backend().later = true;
    for (std::uint32_t n = 1; n <= 3; ++n)
        send(guest, OpCode::Read10, n);
    storage.quiesce();
    REQUIRE(storage.backend().answer_next());
    REQUIRE(storage.backend().answer_next());
    send(guest, OpCode::Read10, 4); // waits in the ring
    storage.move();
    CHECK(ids(guest).empty());
    CHECK(storage.backend().records.empty());
    storage.resume();
    CHECK(ids(guest) == std::vector<std::uint64_t>{1, 2, 3, 4});
    CHECK(storage.backend().records.size() == 2);
}

TEST_CASE("a controller goes on where it is after its state was saved", "[storage][state]")
{
    MovingStorage storage;
    auto& guest = storage.open();
    guest.initialise();
    storage.backend().later = true;
    send(guest, OpCode::Read10, 1);
    send(guest, OpCode::Read10, 2);
    storage.quiesce();
    REQUIRE(storage.backend().answer_next());
    hv::testing::SavedState saved;
    saved.save(*storage.bus().devices[0]);
    storage.resume();
    REQUIRE(storage.backend().answer_next());
    CHECK(ids(guest) == std::vector<std::uint64_t>{1, 2});
    CHECK(storage.backend().records.size() == 2);
}

TEST_CASE("answers for which the guest has left no room come elsewhere", "[storage][state]")
{
    MovingStorage storage;
    auto& guest = storage.open();
    guest.initialise();
    std::uint64_t sent = 0;
    while (guest.channel->to_host().free() > 512)
        guest.send_command(StorageGuest::command(cdb10(OpCode::Read10, 0, 1), 512, true), ++sent);
    storage.go_on_elsewhere();
    std::vector<std::uint64_t> all;
    for (auto some = ids(guest); !some.empty(); some = ids(guest)) {
        all.insert(all.end(), some.begin(), some.end());
        storage.bus().devices[0]->signalled();
    }
    CHECK(all.size() == sent);
    CHECK(std::ranges::is_sorted(all));
}

TEST_CASE("a command that waits for memory gets it elsewhere", "[storage][state]")
{
    MovingStorage storage{{.io_memory = std::make_shared<block::IoBudget>(8 * Transaction::usual_memory),
                           .guest_ram = {},
                           .notice = {}}};
    auto& guest = storage.open();
    guest.initialise();
    storage.backend().later = true;
    // Far more pieces than a transaction has room for.
    std::vector<std::byte> header = hv::testing::gpa_direct_header(0, 0, {});
    header.resize(sizeof(hv::abi::GpaDirectHeader));
    constexpr std::uint32_t pieces = 500;
    auto const add = [&header](auto const& value) {
        auto const bytes = std::as_bytes(std::span{&value, 1});
        header.insert(header.end(), bytes.begin(), bytes.end());
    };
    std::memcpy(header.data() + sizeof(std::uint32_t), &pieces, sizeof pieces);
    for (std::uint32_t i = 0; i < pieces; ++i) {
        add(hv::abi::GpaRange{512, 0});
        add(hv::testing::TestChannel::free_page(i % 32 * 2));
    }
    auto const command = StorageGuest::command(cdb10(OpCode::Read10, 0, pieces), pieces * 512, true);
    for (std::uint64_t id = 1; id <= 3; ++id)
        guest.send_direct(command, header, id);
    hv::testing::Inspected seen;
    storage.bus().devices[0]->inspect(seen);
    REQUIRE(seen.at("waits_for_memory") == "true");
    storage.go_on_elsewhere();
    CHECK(ids(guest) == std::vector<std::uint64_t>{1, 2, 3});
    CHECK(storage.backend().records.size() == 3);
}

TEST_CASE("a sub-channel goes on elsewhere with what it has under way", "[storage][state]")
{
    MovingStorage storage;
    auto& guest = storage.open();
    guest.initialise();
    REQUIRE(guest.operate(Operation::CreateSubChannels, 2).header.status == PacketStatus::Success);
    auto& second = storage.open(2);
    storage.backend().later = true;
    send(second, OpCode::Read10, 9);
    storage.go_on_elsewhere();
    CHECK(ids(second) == std::vector<std::uint64_t>{9});
    CHECK(ids(guest).empty());
    auto& first = storage.open(1);
    send(first, OpCode::Read10, 8);
    CHECK(ids(first) == std::vector<std::uint64_t>{8});
    CHECK_FALSE(storage.bus().devices[0]->sub_channel(4));
    CHECK_FALSE(storage.bus().devices[1]->sub_channel(1));
}

TEST_CASE("a guest hears elsewhere that there is another disk", "[storage][state]")
{
    MovingStorage storage;
    auto& guest = storage.open();
    guest.initialise();
    storage.quiesce();
    auto more = std::make_unique<RecordingBackend>(block::Properties{.size = mib});
    REQUIRE(storage.controller().add(1, std::make_shared<Disk>(scsi::DeviceType::Disk, std::move(more), "another")));
    storage.move();
    storage.resume();
    auto const told = guest.require_answer();
    CHECK(told.header.operation == Operation::EnumerateBus);
    CHECK_FALSE(guest.answer());
}

TEST_CASE("a controller whose saved state is a lie harms nobody, and starts anew", "[storage][state][hostile]")
{
    MovingStorage storage;
    bool const open = GENERATE(false, true);
    auto const device = storage.bus().devices[0];
    storage.quiesce();
    if (open) (void)storage.open();
    hv::testing::LyingState liar;
    device->visit(liar);
    storage.resume();
    if (open) device->close();
    CHECK(storage.backend().records.empty());
    auto& guest = storage.open();
    guest.initialise();
    require_good(guest.execute(cdb10(OpCode::Read10, 0, 8), page, true), page);
}

} // namespace devices::storage
