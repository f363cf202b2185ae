// READ, WRITE and the others that say where on the disk (SBC-3).
#include "devices/base/big_endian.hpp"
#include "devices/scsi/logical_unit.hpp"

#include <algorithm>
#include <array>
#include <bit>

namespace devices::scsi {

namespace {

constexpr std::uint8_t protection_bits = 0xE0;
constexpr std::uint8_t force_unit_access = 0x08;
constexpr std::uint8_t byte_check_bits = 0x06;

// WRITE SAME.
constexpr std::uint8_t anchor_bit = 0x10;
constexpr std::uint8_t unmap_bit = 0x08;
constexpr std::uint8_t no_data_out_bit = 0x01;

Answer write_protected()
{
    return Answer::failed(SenseKey::DataProtect, Additional::WriteProtected);
}

} // namespace

std::variant<Answer, Work> LogicalUnit::transfer(block::Operation operation, Range range, std::uint8_t flags,
                                                 DataBuffer const& data) const
{
    bool const writes = operation == block::Operation::Write;
    if ((flags & protection_bits) != 0) return Answer::illegal(Additional::InvalidFieldInCdb);
    if (writes && type_ != DeviceType::Disk) return Answer::illegal(Additional::InvalidOpCode);
    if (writes && properties_.read_only) return write_protected();
    if (!contains(range)) return Answer::illegal(Additional::LbaOutOfRange);
    if (range.count == 0) return Answer::good();

    auto const where = extent(range);
    if (where.length > limits_.max_transfer || where.length > (writes ? data.given() : data.room()))
        return Answer::illegal(Additional::InvalidFieldInCdb);
    return Work{operation, where, {}, writes && (flags & force_unit_access) != 0};
}

std::variant<Answer, Work> LogicalUnit::flush(Range range) const
{
    if (!contains(range)) return Answer::illegal(Additional::LbaOutOfRange);
    if (properties_.read_only) return Answer::good();
    return Work{block::Operation::Flush, {}, {}, false};
}

/// Without a comparison it asks whether the medium is readable; a host's file system has no better answer than its
/// own checks when it is read.
Answer LogicalUnit::verify(Range range, std::uint8_t flags) const
{
    if ((flags & (protection_bits | byte_check_bits)) != 0) return Answer::illegal(Additional::InvalidFieldInCdb);
    if (!contains(range)) return Answer::illegal(Additional::LbaOutOfRange);
    return Answer::good();
}

std::variant<Answer, Work> LogicalUnit::unmap(Cdb cdb, DataBuffer const& data) const
{
    constexpr std::size_t header_size = 8;
    constexpr std::size_t descriptor_size = 16;
    constexpr std::size_t most = header_size + Limits::unmap_descriptors * descriptor_size;

    if ((cdb[1] & 1) != 0) return Answer::illegal(Additional::InvalidFieldInCdb); // ANCHOR
    if (properties_.read_only) return write_protected();
    auto const list_length = big_endian(cdb.subspan(7, 2));
    if (list_length == 0) return Answer::good();
    if (list_length < header_size || list_length > data.given())
        return Answer::illegal(Additional::ParameterListLengthError);

    std::array<std::uint8_t, most> memory{};
    auto const read = data.read(std::span{memory}.first(std::min<std::size_t>(list_length, most)));
    auto const list = std::span<std::uint8_t const>{memory}.first(read);
    auto const descriptors_length = big_endian(list.subspan(2, 2));
    if (descriptors_length > Limits::unmap_descriptors * descriptor_size)
        return Answer::illegal(Additional::InvalidFieldInParameterList);
    if (header_size + descriptors_length > list.size()) return Answer::illegal(Additional::ParameterListLengthError);

    Work work{block::Operation::Discard, {}, {}, false};
    std::uint64_t total = 0;
    for (auto left = list.subspan(header_size, descriptors_length); left.size() >= descriptor_size;
         left = left.subspan(descriptor_size)) {
        Range const range{big_endian(left.first(8)), big_endian(left.subspan(8, 4))};
        if (!contains(range)) return Answer::illegal(Additional::LbaOutOfRange);
        if (range.count == 0) continue;
        total += range.count;
        if (work.first.length == 0) {
            work.first = extent(range);
        } else {
            work.others.push_back(extent(range));
        }
    }
    if (total > Limits::unmap_blocks) return Answer::illegal(Additional::InvalidFieldInParameterList);
    if (total == 0 || !properties_.discard) return Answer::good();
    return work;
}

std::variant<Answer, Work> LogicalUnit::write_same(Range range, std::uint8_t flags, bool long_form,
                                                   DataBuffer const& data) const
{
    bool const no_data = long_form && (flags & no_data_out_bit) != 0;
    if ((flags & (protection_bits | anchor_bit)) != 0) return Answer::illegal(Additional::InvalidFieldInCdb);
    if (properties_.read_only) return write_protected();
    if (!contains(range)) return Answer::illegal(Additional::LbaOutOfRange);
    if (range.count == 0 || range.count > Limits::write_same_blocks)
        return Answer::illegal(Additional::InvalidFieldInCdb);
    if (!no_data) {
        std::array<std::uint8_t, disk_block_size> block{};
        if (data.read(block) != block.size()) return Answer::illegal(Additional::InvalidFieldInCdb);
        // Zeros alone: what guests use the command for.
        if (std::ranges::any_of(block, [](auto byte) { return byte != 0; }))
            return Answer::illegal(Additional::InvalidFieldInParameterList);
    }
    bool const holes = (flags & unmap_bit) != 0 && properties_.discard && properties_.discard_zeroes;
    return Work{holes ? block::Operation::Discard : block::Operation::WriteZeroes, extent(range), {}, false};
}

Answer LogicalUnit::read_capacity_10(DataBuffer const& data) const
{
    std::array<std::uint8_t, 8> answer{};
    put_big_endian(std::span{answer}.first(4), std::min<std::uint64_t>(blocks_ - 1, 0xFFFF'FFFF));
    put_big_endian(std::span{answer}.last(4), block_size_);
    return give(answer, answer.size(), data);
}

Answer LogicalUnit::read_capacity_16(Cdb cdb, DataBuffer const& data) const
{
    constexpr std::uint8_t provisioned = 0x80;
    constexpr std::uint8_t unmapped_reads_zero = 0x40;
    std::array<std::uint8_t, 32> answer{};
    put_big_endian(std::span{answer}.first(8), blocks_ - 1);
    put_big_endian(std::span{answer}.subspan(8, 4), block_size_);
    answer[13] = static_cast<std::uint8_t>(std::countr_zero(blocks_in_physical())); // the power of two
    if (properties_.discard) {
        answer[14] = provisioned;
        if (properties_.discard_zeroes) answer[14] |= unmapped_reads_zero;
    }
    return give(answer, big_endian(cdb.subspan(10, 4)), data);
}

} // namespace devices::scsi
