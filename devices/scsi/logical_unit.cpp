#include "devices/scsi/logical_unit.hpp"

#include "devices/base/big_endian.hpp"

#include <utility>

namespace devices::scsi {

LogicalUnit::LogicalUnit(DeviceType type, block::Properties const& properties, std::string serial,
                         Limits const& limits)
    : type_{type},
      properties_{properties},
      serial_{std::move(serial)},
      limits_{limits},
      block_size_{type == DeviceType::Disk ? disk_block_size : disc_block_size},
      blocks_{properties.size / block_size_}
{}

std::variant<Answer, Work> LogicalUnit::execute(Cdb cdb, DataBuffer const& data) const
{
    auto const block_32 = [&] { return big_endian(cdb.subspan(2, 4)); };
    auto const block_64 = [&] { return big_endian(cdb.subspan(2, 8)); };
    switch (OpCode{cdb[0]}) {
    case OpCode::Read10:
        return transfer(block::Operation::Read, {block_32(), big_endian(cdb.subspan(7, 2))}, cdb[1], data);
    case OpCode::Read16:
        return transfer(block::Operation::Read, {block_64(), big_endian(cdb.subspan(10, 4))}, cdb[1], data);
    case OpCode::Write10:
        return transfer(block::Operation::Write, {block_32(), big_endian(cdb.subspan(7, 2))}, cdb[1], data);
    case OpCode::Write16:
        return transfer(block::Operation::Write, {block_64(), big_endian(cdb.subspan(10, 4))}, cdb[1], data);
    case OpCode::Read6:
    case OpCode::Write6: {
        constexpr std::uint64_t mask = 0x1F'FFFF;
        Range const range{big_endian(cdb.subspan(1, 3)) & mask, cdb[4] == 0 ? 256U : cdb[4]};
        bool const read = OpCode{cdb[0]} == OpCode::Read6;
        return transfer(read ? block::Operation::Read : block::Operation::Write, range, 0, data);
    }
    case OpCode::Read12:
    case OpCode::Write12: {
        bool const read = OpCode{cdb[0]} == OpCode::Read12;
        return transfer(read ? block::Operation::Read : block::Operation::Write,
                        {block_32(), big_endian(cdb.subspan(6, 4))}, cdb[1], data);
    }
    case OpCode::SynchronizeCache10: return flush({block_32(), big_endian(cdb.subspan(7, 2))});
    case OpCode::SynchronizeCache16: return flush({block_64(), big_endian(cdb.subspan(10, 4))});
    default: return execute_for_any(cdb, data);
    }
}

std::variant<Answer, Work> LogicalUnit::execute_for_any(Cdb cdb, DataBuffer const& data) const
{
    switch (OpCode{cdb[0]}) {
    case OpCode::TestUnitReady:
    case OpCode::StartStopUnit:
    case OpCode::PreventAllowMediumRemoval: return Answer::good();
    case OpCode::RequestSense: return give(fixed_sense({}), cdb[4], data); // each answer brings its sense data along
    case OpCode::Inquiry: return inquiry(cdb, data);
    case OpCode::ModeSense6: return mode_sense(cdb, false, data);
    case OpCode::ModeSense10: return mode_sense(cdb, true, data);
    case OpCode::ReadCapacity10: return read_capacity_10(data);
    case OpCode::ServiceActionIn16:
        if ((cdb[1] & 0x1F) != service_action_read_capacity_16) return Answer::illegal(Additional::InvalidFieldInCdb);
        return read_capacity_16(cdb, data);
    default: break;
    }
    if (type_ == DeviceType::Disk) return execute_for_disk(cdb, data);
    return execute_for_disc(cdb, data);
}

std::variant<Answer, Work> LogicalUnit::execute_for_disk(Cdb cdb, DataBuffer const& data) const
{
    auto const block_32 = [&] { return big_endian(cdb.subspan(2, 4)); };
    auto const block_64 = [&] { return big_endian(cdb.subspan(2, 8)); };
    switch (OpCode{cdb[0]}) {
    case OpCode::Verify10: return verify({block_32(), big_endian(cdb.subspan(7, 2))}, cdb[1]);
    case OpCode::Verify12: return verify({block_32(), big_endian(cdb.subspan(6, 4))}, cdb[1]);
    case OpCode::Verify16: return verify({block_64(), big_endian(cdb.subspan(10, 4))}, cdb[1]);
    case OpCode::Unmap: return unmap(cdb, data);
    case OpCode::WriteSame10: return write_same({block_32(), big_endian(cdb.subspan(7, 2))}, cdb[1], false, data);
    case OpCode::WriteSame16: return write_same({block_64(), big_endian(cdb.subspan(10, 4))}, cdb[1], true, data);
    default: return Answer::illegal(Additional::InvalidOpCode);
    }
}

Answer LogicalUnit::execute_for_disc(Cdb cdb, DataBuffer const& data) const
{
    switch (OpCode{cdb[0]}) {
    case OpCode::ReadToc: return read_toc(cdb, data);
    case OpCode::GetConfiguration: return get_configuration(cdb, data);
    case OpCode::GetEventStatusNotification: return get_event_status(cdb, data);
    case OpCode::ReadDiscInformation: return read_disc_information(cdb, data);
    case OpCode::ReadTrackInformation: return read_track_information(cdb, data);
    default: return Answer::illegal(Additional::InvalidOpCode);
    }
}

Answer LogicalUnit::answer(Work const& work, block::Result result)
{
    bool const reads = work.operation == block::Operation::Read;
    switch (result) {
    case block::Result::Done: {
        bool const moves = reads || work.operation == block::Operation::Write;
        return Answer::good(moves ? work.first.length : 0);
    }
    case block::Result::NoSpace:
        // A full pool under a thin disk (SBC-3 4.7.3.6).
        return Answer::failed(SenseKey::DataProtect, Additional::SpaceAllocationFailedWriteProtect);
    case block::Result::Shrunk: return Answer::illegal(Additional::LbaOutOfRange);
    case block::Result::Unreachable:
        return Answer::failed(SenseKey::HardwareError, Additional::InternalTargetFailure);
    case block::Result::Failed: break;
    }
    return Answer::failed(SenseKey::MediumError, reads ? Additional::UnrecoveredReadError : Additional::WriteError);
}

Answer give(std::span<std::uint8_t const> what, std::uint64_t allocation_length, DataBuffer const& data)
{
    return Answer::good(data.write(what.first(std::min<std::size_t>(what.size(), allocation_length))));
}

Answer report_luns(std::span<std::uint8_t const> luns, std::span<std::uint8_t const> cdb, DataBuffer const& data)
{
    constexpr std::size_t header = 8;
    constexpr std::size_t entry = 8;
    constexpr std::uint64_t least_allocation = 16;
    auto const allocation_length = big_endian(cdb.subspan(6, 4));
    if (allocation_length < least_allocation || cdb[2] > 2) return Answer::illegal(Additional::InvalidFieldInCdb);
    std::vector<std::uint8_t> list(header + luns.size() * entry);
    put_big_endian(std::span{list}.first(4), luns.size() * entry);
    for (std::size_t i = 0; i < luns.size(); ++i)
        list[header + i * entry + 1] = luns[i]; // peripheral device addressing
    return give(list, allocation_length, data);
}

} // namespace devices::scsi
