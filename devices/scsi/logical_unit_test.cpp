// Numbers and layouts as SPC-4 and SBC-3 print them, not by the names that the code gives them.
#include "devices/scsi/logical_unit.hpp"
#include "devices/scsi/testing/initiator.hpp"
#include "hv/testing/catch.hpp"

#include <string>

namespace devices::scsi {

namespace {

using namespace testing;

constexpr std::uint64_t mib = 1 << 20;
constexpr Limits limits{.max_transfer = 4 * mib};

LogicalUnit disk(block::Properties const& properties)
{
    return LogicalUnit{DeviceType::Disk, properties, "0123456789", limits};
}

LogicalUnit disk_of(std::uint64_t size)
{
    return disk({.size = size, .read_only = false, .discard = true, .discard_zeroes = true});
}

/// Runs what needs no backend; the sense data as they are sent.
struct Outcome {
    int status;
    int key;
    int asc;
    int ascq;
    std::vector<std::uint8_t> data;
};

Outcome run(LogicalUnit const& unit, Cdb const& cdb, std::size_t room = 255)
{
    Memory memory{Direction::FromDevice, room};
    auto const done = unit.execute(cdb, memory.buffer());
    REQUIRE(std::holds_alternative<Answer>(done));
    auto const& answer = std::get<Answer>(done);
    auto const sense = fixed_sense(answer.sense);
    memory.bytes().resize(answer.transferred);
    return {static_cast<int>(answer.status), sense[2], sense[12], sense[13], memory.bytes()};
}

void require_failed(std::variant<Answer, Work> const& done, int key, int asc, int ascq)
{
    REQUIRE(std::holds_alternative<Answer>(done));
    auto const& answer = std::get<Answer>(done);
    auto const sense = fixed_sense(answer.sense);
    REQUIRE(static_cast<int>(answer.status) == 0x02);
    REQUIRE(static_cast<int>(sense[0]) == 0x70);
    REQUIRE(static_cast<int>(sense[7]) == 10);
    REQUIRE(static_cast<int>(sense[2]) == key);
    REQUIRE(static_cast<int>(sense[12]) == asc);
    REQUIRE(static_cast<int>(sense[13]) == ascq);
}

Work work_of(std::variant<Answer, Work> const& done)
{
    REQUIRE(std::holds_alternative<Work>(done));
    return std::get<Work>(done);
}

std::string text(std::vector<std::uint8_t> const& bytes, std::size_t from, std::size_t size)
{
    return {bytes.begin() + static_cast<std::ptrdiff_t>(from),
            bytes.begin() + static_cast<std::ptrdiff_t>(from + size)};
}

std::uint64_t number(std::vector<std::uint8_t> const& bytes, std::size_t from, std::size_t size)
{
    REQUIRE(bytes.size() >= from + size);
    return big_endian(std::span{bytes}.subspan(from, size));
}

} // namespace

TEST_CASE("READ and WRITE of all lengths come to a range of bytes", "[storage][scsi]")
{
    auto const unit = disk_of(16ULL << 40);
    Memory in{Direction::FromDevice, 256 * 512};
    Memory out{Direction::ToDevice, 256 * 512};
    struct {
        Cdb cdb;
        bool writes;
        std::uint64_t offset;
        std::uint64_t length;
    } const commands[]{
        {cdb({0x08, 0x01, 0x02, 0x03, 4}), false, 0x10203 * 512ULL, 4 * 512},
        {cdb({0x08, 0xE0, 0, 1, 0}), false, 512, 256 * 512}, // the top three bits are no part of the address
        {cdb({0x0A, 0, 0, 9, 1}), true, 9 * 512, 512},
        {cdb({0x28, 0, 0x80, 0, 0, 1, 0, 0, 8}), false, 0x8000'0001ULL * 512, 8 * 512},
        {cdb({0x2A, 0, 0, 0, 0, 1, 0, 0, 8}), true, 512, 8 * 512},
        {cdb({0xA8, 0, 0, 0, 1, 0, 0, 0, 0, 16}), false, 256 * 512, 16 * 512},
        {cdb({0xAA, 0, 0, 0, 1, 0, 0, 0, 0, 16}), true, 256 * 512, 16 * 512},
        {cdb({0x88, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 32}), false, 512ULL << 32, 32 * 512},
        {cdb({0x8A, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 32}), true, 512ULL << 32, 32 * 512},
    };
    for (auto const& [bytes, writes, offset, length] : commands) {
        auto const work = work_of(unit.execute(bytes, (writes ? out : in).buffer()));
        REQUIRE((work.operation == block::Operation::Write) == writes);
        REQUIRE(work.first.offset == offset);
        REQUIRE(work.first.length == length);
        REQUIRE_FALSE(work.then_flush);
        REQUIRE(LogicalUnit::answer(work, block::Result::Done).transferred == length);
    }
}

TEST_CASE("A WRITE with FUA is flushed before it is answered", "[storage][scsi]")
{
    auto const unit = disk_of(mib);
    Memory memory{Direction::ToDevice, 4096};
    REQUIRE(work_of(unit.execute(cdb10(OpCode::Write10, 0, 8, 0x08), memory.buffer())).then_flush);
    REQUIRE(work_of(unit.execute(cdb16(OpCode::Write16, 0, 8, 0x08), memory.buffer())).then_flush);
    REQUIRE((run(unit, cdb({0x1A, 0, 0x08, 0, 255})).data.at(2) & 0x10) != 0); // DPOFUA says so
}

TEST_CASE("What lies outside the disk, or does not fit the data, is refused", "[storage][scsi]")
{
    auto const unit = disk_of(mib); // 2048 blocks
    Memory in{Direction::FromDevice, 4096};
    Memory out{Direction::ToDevice, 4096};
    Memory none{Direction::None, 0};
    require_failed(unit.execute(cdb10(OpCode::Read10, 2048, 1), in.buffer()), 5, 0x21, 0);
    require_failed(unit.execute(cdb10(OpCode::Read10, 2041, 8), in.buffer()), 5, 0x21, 0);
    require_failed(unit.execute(cdb16(OpCode::Write16, ~std::uint64_t{0}, 1), out.buffer()), 5, 0x21, 0);
    require_failed(unit.execute(cdb16(OpCode::Read16, ~std::uint64_t{0} - 7, 8), in.buffer()), 5, 0x21, 0);
    require_failed(unit.execute(cdb16(OpCode::SynchronizeCache16, 2049, 0), none.buffer()), 5, 0x21, 0);
    require_failed(unit.execute(cdb10(OpCode::Verify10, 2048, 1), none.buffer()), 5, 0x21, 0);

    require_failed(unit.execute(cdb10(OpCode::Read10, 0, 9), in.buffer()), 5, 0x24, 0);
    require_failed(unit.execute(cdb10(OpCode::Read10, 0, 8), out.buffer()), 5, 0x24, 0); // the wrong direction
    require_failed(unit.execute(cdb10(OpCode::Write10, 0, 8), none.buffer()), 5, 0x24, 0);
    require_failed(unit.execute(cdb10(OpCode::Read10, 0, 8, 0x20), in.buffer()), 5, 0x24, 0); // RDPROTECT
    require_failed(unit.execute(cdb({0xFF}), in.buffer()), 5, 0x20, 0);

    REQUIRE(std::get<Answer>(unit.execute(cdb10(OpCode::Read10, 2048, 0), in.buffer())).status == Status::Good);
}

TEST_CASE("A read-only disk says so, and takes no write", "[storage][scsi]")
{
    auto const unit = disk({.size = mib, .read_only = true});
    Memory out{Direction::ToDevice, 4096};
    for (auto const code : {OpCode::Write10, OpCode::WriteSame10, OpCode::Unmap})
        require_failed(unit.execute(cdb10(code, 0, 8), out.buffer()), 7, 0x27, 0);
    REQUIRE((run(unit, cdb({0x1A, 0, 0x3F, 0, 255})).data.at(2) & 0x80) != 0);
    REQUIRE((run(unit, cdb({0x5A, 0, 0x3F, 0, 0, 0, 0, 0, 255})).data.at(3) & 0x80) != 0);
    REQUIRE(run(unit, cdb({0x35})).status == 0);
}

TEST_CASE("SYNCHRONIZE CACHE becomes a flush", "[storage][scsi]")
{
    auto const unit = disk_of(mib);
    Memory none{Direction::None, 0};
    for (auto const& bytes : {cdb({0x35}), cdb16(OpCode::SynchronizeCache16, 8, 8)})
        REQUIRE(work_of(unit.execute(bytes, none.buffer())).operation == block::Operation::Flush);
}

TEST_CASE("UNMAP takes a list of ranges", "[storage][scsi]")
{
    auto const unit = disk_of(mib);
    Memory memory{Direction::ToDevice, 8 + 3 * 16};
    auto& list = memory.bytes();
    std::fill(list.begin(), list.end(), std::uint8_t{0});
    put_big_endian(std::span{list}.first(2), list.size() - 2);
    put_big_endian(std::span{list}.subspan(2, 2), 3 * 16);
    auto const range = [&](std::size_t n, std::uint64_t block, std::uint64_t count) {
        put_big_endian(std::span{list}.subspan(8 + n * 16, 8), block);
        put_big_endian(std::span{list}.subspan(16 + n * 16, 4), count);
    };
    range(0, 16, 8);
    range(1, 0, 0);
    range(2, 2000, 48);
    auto const unmap = cdb({0x42, 0, 0, 0, 0, 0, 0, 0, 8 + 3 * 16});

    auto const work = work_of(unit.execute(unmap, memory.buffer()));
    REQUIRE(work.operation == block::Operation::Discard);
    REQUIRE(work.first.offset == 16 * 512);
    REQUIRE(work.first.length == 8 * 512);
    REQUIRE(work.others.size() == 1);
    REQUIRE(work.others[0].offset == 2000 * 512);

    range(2, 2000, 49);
    require_failed(unit.execute(unmap, memory.buffer()), 5, 0x21, 0);
    range(2, 2000, 48);
    put_big_endian(std::span{list}.subspan(2, 2), 4 * 16); // more descriptors than the list holds
    require_failed(unit.execute(unmap, memory.buffer()), 5, 0x1A, 0);
    put_big_endian(std::span{list}.subspan(2, 2), 0xFFF0);
    require_failed(unit.execute(unmap, memory.buffer()), 5, 0x26, 0);
    require_failed(unit.execute(cdb({0x42, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}), memory.buffer()), 5, 0x1A, 0);
    require_failed(unit.execute(cdb({0x42, 0, 0, 0, 0, 0, 0, 0, 7}), memory.buffer()), 5, 0x1A, 0);
    require_failed(unit.execute(cdb({0x42, 1, 0, 0, 0, 0, 0, 0, 8}), memory.buffer()), 5, 0x24, 0);
}

TEST_CASE("WRITE SAME takes zeros", "[storage][scsi]")
{
    auto const unit = disk_of(mib);
    Memory zeros{Direction::ToDevice, 512};
    std::fill(zeros.bytes().begin(), zeros.bytes().end(), std::uint8_t{0});
    Memory others{Direction::ToDevice, 512};
    Memory none{Direction::None, 0};

    auto const plain = work_of(unit.execute(cdb10(OpCode::WriteSame10, 8, 16), zeros.buffer()));
    REQUIRE(plain.operation == block::Operation::WriteZeroes);
    REQUIRE(plain.first.offset == 8 * 512);
    REQUIRE(plain.first.length == 16 * 512);
    REQUIRE(work_of(unit.execute(cdb16(OpCode::WriteSame16, 8, 16, 0x08), zeros.buffer())).operation ==
            block::Operation::Discard);
    REQUIRE(work_of(unit.execute(cdb16(OpCode::WriteSame16, 8, 16, 0x01), none.buffer())).operation ==
            block::Operation::WriteZeroes);

    require_failed(unit.execute(cdb10(OpCode::WriteSame10, 8, 16), others.buffer()), 5, 0x26, 0);
    require_failed(unit.execute(cdb10(OpCode::WriteSame10, 8, 16), none.buffer()), 5, 0x24, 0);
    require_failed(unit.execute(cdb10(OpCode::WriteSame10, 8, 0), zeros.buffer()), 5, 0x24, 0); // WSNZ
    require_failed(unit.execute(cdb16(OpCode::WriteSame16, 2048, 1), zeros.buffer()), 5, 0x21, 0);

    // Where the host cannot promise that a hole reads as zeros, zeros are written.
    auto const device = disk({.size = mib, .read_only = false, .discard = true, .discard_zeroes = false});
    REQUIRE(work_of(device.execute(cdb16(OpCode::WriteSame16, 8, 16, 0x08), zeros.buffer())).operation ==
            block::Operation::WriteZeroes);
}

TEST_CASE("READ CAPACITY tells the last block and the block size", "[storage][scsi]")
{
    auto const small = run(disk_of(mib), cdb({0x25}));
    REQUIRE(small.data.size() == 8);
    REQUIRE(number(small.data, 0, 4) == 2047);
    REQUIRE(number(small.data, 4, 4) == 512);
    auto const large = disk_of(4ULL << 40);
    REQUIRE(number(run(large, cdb({0x25})).data, 0, 4) == 0xFFFF'FFFF);

    auto const capacity = cdb({0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32});
    auto const answer = run(large, capacity).data;
    REQUIRE(answer.size() == 32);
    REQUIRE(number(answer, 0, 8) == (4ULL << 40) / 512 - 1);
    REQUIRE(number(answer, 8, 4) == 512);
    REQUIRE((answer[13] & 0x0F) == 3);    // eight blocks to a physical one
    REQUIRE((answer[14] & 0xC0) == 0xC0); // LBPME, LBPRZ
    REQUIRE(run(large, cdb({0x9E, 0x11})).asc == 0x24);
}

TEST_CASE("The guest is told what its image writes and moves in one piece", "[storage][scsi]")
{
    block::Properties properties{.size = 4 * mib, .discard = true};
    properties.physical_block = 65'536;
    properties.preferred_transfer = 131'072;
    auto const capacity = cdb({0x9E, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32});
    auto const unit = disk(properties);
    CHECK((run(unit, capacity).data[13] & 0x0F) == 7);
    auto const limits_page = run(unit, cdb({0x12, 1, 0xB0, 0, 255})).data;
    CHECK(number(limits_page, 6, 2) == 256);  // optimal transfer length granularity
    CHECK(number(limits_page, 28, 4) == 128); // optimal unmap granularity

    properties.size = 4 * mib + 4096; // it ends within a physical block
    CHECK((run(disk(properties), capacity).data[13] & 0x0F) == 0);
    properties.preferred_transfer = 64 * mib; // more than a command moves
    CHECK(number(run(disk(properties), cdb({0x12, 1, 0xB0, 0, 255})).data, 6, 2) == 0);
}

TEST_CASE("INQUIRY tells what the unit is", "[storage][scsi]")
{
    auto const unit = disk_of(mib);
    auto const data = run(unit, cdb({0x12, 0, 0, 0, 36})).data;
    REQUIRE(data.size() == 36);
    REQUIRE(data[0] == 0x00);
    REQUIRE(data[1] == 0x00);
    REQUIRE(data[2] == 5); // SPC-3
    REQUIRE((data[3] & 0x0F) == 2);
    REQUIRE(data[4] == 31);
    REQUIRE((data[7] & 0x02) != 0); // CmdQue
    REQUIRE(text(data, 8, 8) == "Msft    ");
    REQUIRE(text(data, 16, 16) == "Virtual Disk    ");
    REQUIRE(run(unit, cdb({0x12, 0, 0, 0, 5})).data.size() == 5);
    REQUIRE(run(unit, cdb({0x12, 0, 0x80, 0, 36})).asc == 0x24); // a page without EVPD
    REQUIRE(run(unit, cdb({0x12, 1, 0xC8, 0, 36})).asc == 0x24);
}

TEST_CASE("A place without a unit answers INQUIRY with 7Fh", "[storage][scsi]")
{
    Memory memory{Direction::FromDevice, 96};
    auto const answer = inquiry_of_nothing(cdb({0x12, 0, 0, 0, 36}), memory.buffer());
    REQUIRE(answer.status == Status::Good);
    REQUIRE(answer.transferred == 36);
    REQUIRE(memory.bytes()[0] == 0x7F);
}

TEST_CASE("Vital product data name the unit and its limits", "[storage][scsi]")
{
    auto const unit = disk_of(mib);
    auto const page = [&](int code) {
        auto const data = run(unit, cdb({0x12, 1, code, 0, 255})).data;
        REQUIRE(data.size() >= 4);
        REQUIRE(data[1] == code);
        REQUIRE(number(data, 2, 2) == data.size() - 4);
        return data;
    };
    REQUIRE(page(0x00) == std::vector<std::uint8_t>{0, 0, 0, 6, 0x00, 0x80, 0x83, 0xB0, 0xB1, 0xB2});
    REQUIRE(text(page(0x80), 4, 10) == "0123456789");

    auto const names = page(0x83);
    REQUIRE((names[4] & 0x0F) == 2); // ASCII
    REQUIRE((names[5] & 0x0F) == 1); // T10 vendor
    REQUIRE(text(names, 8, names[7]) == "Msft    0123456789");
    auto const naa = 8U + names[7];
    REQUIRE((names[naa] & 0x0F) == 1);
    REQUIRE((names[naa + 1] & 0x0F) == 3);
    REQUIRE(names[naa + 3] == 8);
    REQUIRE(names[naa + 4] >> 4 == 3); // locally assigned
    REQUIRE(names.size() == naa + 4 + 8);

    auto const b0 = page(0xB0);
    REQUIRE(b0.size() == 64);
    REQUIRE((b0[4] & 1) == 1);
    REQUIRE(number(b0, 8, 4) == 4 * mib / 512);
    REQUIRE(number(b0, 20, 4) == Limits::unmap_blocks);
    REQUIRE(number(b0, 24, 4) == Limits::unmap_descriptors);
    REQUIRE(number(b0, 36, 8) == Limits::write_same_blocks);
    auto const b1 = page(0xB1);
    REQUIRE(b1.size() == 64);
    REQUIRE(number(b1, 4, 2) == 1);
    auto const b2 = page(0xB2);
    REQUIRE(b2.size() == 8);
    REQUIRE((b2[5] & 0xE4) == 0xE4); // LBPU, LBPWS, LBPWS10, LBPRZ
    REQUIRE((b2[6] & 0x07) == 2);    // thin
}

TEST_CASE("MODE SENSE tells of the write cache", "[storage][scsi]")
{
    auto const unit = disk_of(mib);
    auto const six = run(unit, cdb({0x1A, 0x08, 0x08, 0, 255})).data;
    REQUIRE(six.size() == 4 + 20);
    REQUIRE(six[0] == six.size() - 1);
    REQUIRE(six[3] == 0); // no block descriptor
    REQUIRE((six[4] & 0x3F) == 0x08);
    REQUIRE(six[5] == 0x12);
    REQUIRE((six[6] & 0x04) != 0); // WCE

    auto const ten = run(unit, cdb({0x5A, 0, 0x3F, 0, 0, 0, 0, 0, 255})).data;
    REQUIRE(number(ten, 0, 2) == ten.size() - 2);
    REQUIRE(number(ten, 6, 2) == 8);
    REQUIRE(number(ten, 8, 4) == 2048);
    REQUIRE(number(ten, 13, 3) == 512);
    REQUIRE((ten[16] & 0x3F) == 0x08);

    REQUIRE((run(unit, cdb({0x1A, 0x08, 0x48, 0, 255})).data.at(6)) == 0); // nothing can be changed
    REQUIRE(run(unit, cdb({0x1A, 0x08, 0xC8, 0, 255})).asc == 0x39);
    REQUIRE(run(unit, cdb({0x1A, 0x08, 0x05, 0, 255})).asc == 0x24);
}

TEST_CASE("Each failure of a backend has its sense data", "[storage][scsi]")
{
    Work const read{block::Operation::Read, {0, 512}, {}, false};
    Work const write{block::Operation::Write, {0, 512}, {}, false};
    require_failed(LogicalUnit::answer(read, block::Result::Failed), 3, 0x11, 0);
    require_failed(LogicalUnit::answer(write, block::Result::Failed), 3, 0x0C, 0);
    require_failed(LogicalUnit::answer(write, block::Result::NoSpace), 7, 0x27, 7);
    require_failed(LogicalUnit::answer(read, block::Result::Shrunk), 5, 0x21, 0);
    require_failed(LogicalUnit::answer(read, block::Result::Unreachable), 4, 0x44, 0);
}

TEST_CASE("REPORT LUNS lists them", "[storage][scsi]")
{
    Memory memory{Direction::FromDevice, 64};
    std::uint8_t const luns[]{0, 3};
    auto const answer = report_luns(luns, cdb({0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 64}), memory.buffer());
    REQUIRE(answer.transferred == 8 + 16);
    REQUIRE(number(memory.bytes(), 0, 4) == 16);
    REQUIRE(number(memory.bytes(), 8, 8) == 0);
    REQUIRE(number(memory.bytes(), 16, 8) == 0x0003ULL << 48);
    REQUIRE(report_luns(luns, cdb({0xA0, 0, 0, 0, 0, 0, 0, 0, 0, 15}), memory.buffer()).status ==
            Status::CheckCondition);
}

} // namespace devices::scsi
