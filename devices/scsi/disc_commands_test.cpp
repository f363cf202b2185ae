// Layouts as MMC-6 prints them.
#include "devices/scsi/logical_unit.hpp"
#include "devices/scsi/testing/initiator.hpp"
#include "hv/testing/catch.hpp"

namespace devices::scsi {

namespace {

using namespace testing;

LogicalUnit disc_of(std::uint64_t size)
{
    return LogicalUnit{DeviceType::Disc, {.size = size, .read_only = true}, "disc", {.max_transfer = 1 << 20}};
}

std::vector<std::uint8_t> run(LogicalUnit const& unit, Cdb const& cdb)
{
    Memory memory{Direction::FromDevice, 255};
    auto const done = unit.execute(cdb, memory.buffer());
    REQUIRE(std::holds_alternative<Answer>(done));
    REQUIRE(std::get<Answer>(done).status == Status::Good);
    memory.bytes().resize(std::get<Answer>(done).transferred);
    return memory.bytes();
}

std::uint64_t number(std::vector<std::uint8_t> const& bytes, std::size_t from, std::size_t size)
{
    REQUIRE(bytes.size() >= from + size);
    return big_endian(std::span{bytes}.subspan(from, size));
}

constexpr std::uint64_t cd = 600ULL << 20;
constexpr std::uint64_t dvd = 4ULL << 30;

} // namespace

TEST_CASE("A disc is removable, has blocks of 2048 bytes and takes no write", "[storage][scsi]")
{
    auto const unit = disc_of(cd);
    auto const inquiry = run(unit, cdb({0x12, 0, 0, 0, 36}));
    REQUIRE(inquiry[0] == 0x05);
    REQUIRE(inquiry[1] == 0x80);
    auto const capacity = run(unit, cdb({0x25}));
    REQUIRE(number(capacity, 0, 4) == cd / 2048 - 1);
    REQUIRE(number(capacity, 4, 4) == 2048);

    Memory memory{Direction::FromDevice, 4096};
    auto const read = unit.execute(cdb10(OpCode::Read10, 16, 2), memory.buffer());
    REQUIRE(std::get<Work>(read).first.offset == 16 * 2048);
    REQUIRE(std::get<Work>(read).first.length == 4096);
    Memory out{Direction::ToDevice, 4096};
    REQUIRE(std::get<Answer>(unit.execute(cdb10(OpCode::Write10, 0, 1), out.buffer())).status ==
            Status::CheckCondition);
    REQUIRE(std::get<Answer>(unit.execute(cdb({0x42}), out.buffer())).status == Status::CheckCondition);
}

TEST_CASE("The table of contents has one data track", "[storage][scsi]")
{
    auto const unit = disc_of(cd);
    auto const toc = run(unit, cdb({0x43, 0, 0, 0, 0, 0, 0, 0, 255}));
    REQUIRE(toc.size() == 4 + 2 * 8);
    REQUIRE(number(toc, 0, 2) == toc.size() - 2);
    REQUIRE(toc[2] == 1);
    REQUIRE(toc[3] == 1);
    REQUIRE(toc[5] == 0x14);
    REQUIRE(toc[6] == 1);
    REQUIRE(number(toc, 8, 4) == 0);
    REQUIRE(toc[14] == 0xAA);
    REQUIRE(number(toc, 16, 4) == cd / 2048);

    auto const by_time = run(unit, cdb({0x43, 2, 0, 0, 0, 0, 0, 0, 255}));
    REQUIRE(number(by_time, 8, 4) == 0x00'00'02'00); // two seconds into the disc
    REQUIRE(run(unit, cdb({0x43, 0, 1, 0, 0, 0, 0, 0, 255})).size() == 12);
}

TEST_CASE("The drive's profile follows the size of the disc", "[storage][scsi]")
{
    auto const configuration = run(disc_of(dvd), cdb({0x46, 0, 0, 0, 0, 0, 0, 0, 255}));
    REQUIRE(number(configuration, 0, 4) == configuration.size() - 4);
    REQUIRE(number(configuration, 6, 2) == 0x0010);
    REQUIRE(number(run(disc_of(cd), cdb({0x46, 0, 0, 0, 0, 0, 0, 0, 255})), 6, 2) == 0x0008);
    auto const one = run(disc_of(dvd), cdb({0x46, 2, 0, 0x1F, 0, 0, 0, 0, 255}));
    REQUIRE(one.size() == 12);
    REQUIRE(number(one, 8, 2) == 0x001F);
}

TEST_CASE("The medium is in, and nothing has changed", "[storage][scsi]")
{
    auto const unit = disc_of(cd);
    auto const event = run(unit, cdb({0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8}));
    REQUIRE(event == std::vector<std::uint8_t>{0, 6, 4, 0x10, 0, 2, 0, 0});
    REQUIRE((run(unit, cdb({0x4A, 1, 0, 0, 0x02, 0, 0, 0, 8})).at(2) & 0x80) != 0);
    auto const information = run(unit, cdb({0x51, 0, 0, 0, 0, 0, 0, 0, 34}));
    REQUIRE(information.size() == 34);
    REQUIRE((information[2] & 0x03) == 2); // complete
    auto const track = run(unit, cdb({0x52, 1, 0, 0, 0, 1, 0, 0, 36}));
    REQUIRE(track.size() == 36);
    REQUIRE(number(track, 0, 2) == 34);
    REQUIRE(track[2] == 1);
    REQUIRE(number(track, 8, 4) == 0);
    REQUIRE(number(track, 24, 4) == cd / 2048);
}

} // namespace devices::scsi
