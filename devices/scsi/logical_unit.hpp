/// A SCSI logical unit over a block backend: a disk, or a disc in its drive. It knows the commands; who brings them,
/// and does the work that they ask for, is someone else's business.
#pragma once

#include "devices/block/backend.hpp"
#include "devices/scsi/command.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <variant>

namespace devices::scsi {

inline constexpr std::uint64_t disk_block_size = 512;
inline constexpr std::uint64_t disc_block_size = 2048;

/// What VPD page B0h tells, and the commands keep to.
struct Limits {
    static constexpr std::uint32_t unmap_descriptors = 64;
    static constexpr std::uint32_t unmap_blocks = 0x7F'FFFF;
    static constexpr std::uint64_t write_same_blocks = 0x7F'FFFF;

    std::uint64_t max_transfer = 0; ///< bytes
};

class LogicalUnit {
  public:
    static constexpr std::size_t longest_serial = 36;

    /// `serial`: 1 to `longest_serial` printable ASCII characters; the unit's name in VPD page 83h comes from it.
    LogicalUnit(DeviceType type, block::Properties const& properties, std::string serial, Limits const& limits);

    /// What a command comes to: done, or work for the backend. `cdb` has max_cdb_size bytes.
    [[nodiscard]] std::variant<Answer, Work> execute(std::span<std::uint8_t const> cdb, DataBuffer const& data) const;

    /// The answer once the backend has done the work, or failed at a piece of it.
    [[nodiscard]] static Answer answer(Work const& work, block::Result result);

    [[nodiscard]] DeviceType type() const { return type_; }
    [[nodiscard]] std::string const& serial() const { return serial_; }

  private:
    using Cdb = std::span<std::uint8_t const>;
    struct Range {
        std::uint64_t block;
        std::uint64_t count;
    };

    // block_commands.cpp
    [[nodiscard]] bool contains(Range range) const
    {
        return range.block <= blocks_ && range.count <= blocks_ - range.block;
    }
    /// A power of two. One where the disk ends within a physical block.
    [[nodiscard]] std::uint64_t blocks_in_physical() const
    {
        auto const blocks = properties_.physical_block / block_size_;
        return type_ == DeviceType::Disk && blocks > 1 && blocks_ % blocks == 0 ? blocks : 1;
    }
    [[nodiscard]] Extent extent(Range range) const { return {range.block * block_size_, range.count * block_size_}; }
    [[nodiscard]] std::variant<Answer, Work> transfer(block::Operation operation, Range range, std::uint8_t flags,
                                                      DataBuffer const& data) const;
    [[nodiscard]] std::variant<Answer, Work> flush(Range range) const;
    [[nodiscard]] Answer verify(Range range, std::uint8_t flags) const;
    [[nodiscard]] std::variant<Answer, Work> unmap(Cdb cdb, DataBuffer const& data) const;
    [[nodiscard]] std::variant<Answer, Work> write_same(Range range, std::uint8_t flags, bool long_form,
                                                        DataBuffer const& data) const;
    [[nodiscard]] Answer read_capacity_10(DataBuffer const& data) const;
    [[nodiscard]] Answer read_capacity_16(Cdb cdb, DataBuffer const& data) const;

    // inquiry.cpp
    [[nodiscard]] Answer inquiry(Cdb cdb, DataBuffer const& data) const;
    [[nodiscard]] std::vector<std::uint8_t> standard_inquiry() const;
    [[nodiscard]] std::vector<std::uint8_t> vital_product_data(VpdPage page) const;

    // mode_sense.cpp
    [[nodiscard]] Answer mode_sense(Cdb cdb, bool long_form, DataBuffer const& data) const;

    // disc_commands.cpp
    [[nodiscard]] Answer read_toc(Cdb cdb, DataBuffer const& data) const;
    [[nodiscard]] Answer get_configuration(Cdb cdb, DataBuffer const& data) const;
    [[nodiscard]] Answer get_event_status(Cdb cdb, DataBuffer const& data) const;
    [[nodiscard]] Answer read_disc_information(Cdb cdb, DataBuffer const& data) const;
    [[nodiscard]] Answer read_track_information(Cdb cdb, DataBuffer const& data) const;

    [[nodiscard]] std::variant<Answer, Work> execute_for_any(Cdb cdb, DataBuffer const& data) const;
    [[nodiscard]] std::variant<Answer, Work> execute_for_disk(Cdb cdb, DataBuffer const& data) const;
    [[nodiscard]] Answer execute_for_disc(Cdb cdb, DataBuffer const& data) const;

    DeviceType const type_;
    block::Properties const properties_;
    std::string const serial_;
    Limits const limits_;
    std::uint64_t const block_size_;
    std::uint64_t const blocks_;
};

/// Gives what there is, but no more than the initiator allows in the CDB and has room for.
[[nodiscard]] Answer give(std::span<std::uint8_t const> what, std::uint64_t allocation_length,
                          DataBuffer const& data);

/// INQUIRY where no logical unit is (SPC-4 6.4.2).
[[nodiscard]] Answer inquiry_of_nothing(std::span<std::uint8_t const> cdb, DataBuffer const& data);

/// REPORT LUNS (SPC-4 6.33); `luns` below 256.
[[nodiscard]] Answer report_luns(std::span<std::uint8_t const> luns, std::span<std::uint8_t const> cdb,
                                 DataBuffer const& data);

} // namespace devices::scsi
