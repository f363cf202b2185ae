// INQUIRY: what the unit is, and its vital product data (SPC-4 6.4 and 7.8, SBC-3 6.6).
#include "devices/base/big_endian.hpp"
#include "devices/scsi/logical_unit.hpp"

#include <array>
#include <string_view>

namespace devices::scsi {

namespace {

constexpr std::size_t standard_size = 36;
constexpr std::uint8_t spc_3 = 5;
constexpr std::uint8_t response_format = 2;
constexpr std::uint8_t removable = 0x80;
constexpr std::uint8_t command_queuing = 0x02;

/// Linux' storvsc lets a unit of another vendor have less (drivers/scsi/storvsc_drv.c, storvsc_device_configure).
constexpr std::string_view vendor = "Msft    ";

std::uint8_t type_byte(DeviceType type)
{
    return static_cast<std::uint8_t>(type);
}

void put_text(std::span<std::uint8_t> to, std::string_view text)
{
    std::ranges::fill(to, std::uint8_t{' '});
    std::copy_n(text.begin(), std::min(text.size(), to.size()), to.begin());
}

/// FNV-1a: the same text always gives the same name.
std::uint64_t hash(std::string_view text)
{
    std::uint64_t value = 0xCBF2'9CE4'8422'2325;
    for (auto const c : text)
        value = (value ^ static_cast<std::uint8_t>(c)) * 0x100'0000'01B3;
    return value;
}

/// Page 83h: the vendor's name for the unit, and a locally assigned NAA name, which udev makes a link of.
std::vector<std::uint8_t> designators(std::string_view serial)
{
    constexpr std::uint8_t ascii = 2;
    constexpr std::uint8_t binary = 1;
    constexpr std::uint8_t t10_vendor = 1;
    constexpr std::uint8_t naa = 3;
    constexpr std::uint64_t locally_assigned = std::uint64_t{3} << 60;

    std::vector<std::uint8_t> out{ascii, t10_vendor, 0, static_cast<std::uint8_t>(vendor.size() + serial.size())};
    out.insert(out.end(), vendor.begin(), vendor.end());
    out.insert(out.end(), serial.begin(), serial.end());
    out.insert(out.end(), {binary, naa, 0, 8});
    out.resize(out.size() + 8);
    put_big_endian(std::span{out}.last(8), locally_assigned | hash(serial) >> 4);
    return out;
}

} // namespace

Answer LogicalUnit::inquiry(Cdb cdb, DataBuffer const& data) const
{
    auto const allocation_length = big_endian(cdb.subspan(3, 2));
    bool const vital = (cdb[1] & 1) != 0;
    if ((cdb[1] & ~1U) != 0 || (!vital && cdb[2] != 0)) return Answer::illegal(Additional::InvalidFieldInCdb);
    if (!vital) return give(standard_inquiry(), allocation_length, data);

    auto const content = vital_product_data(VpdPage{cdb[2]});
    if (content.empty()) return Answer::illegal(Additional::InvalidFieldInCdb);
    std::vector<std::uint8_t> page{type_byte(type_), cdb[2], 0, 0};
    put_big_endian(std::span{page}.subspan(2, 2), content.size());
    page.insert(page.end(), content.begin(), content.end());
    return give(page, allocation_length, data);
}

std::vector<std::uint8_t> LogicalUnit::standard_inquiry() const
{
    bool const disk = type_ == DeviceType::Disk;
    std::vector<std::uint8_t> out(standard_size);
    out[0] = type_byte(type_);
    out[1] = disk ? 0 : removable;
    out[2] = spc_3;
    out[3] = response_format;
    out[4] = standard_size - 5; // bytes behind this one
    out[7] = command_queuing;
    put_text(std::span{out}.subspan(8, 8), vendor);
    put_text(std::span{out}.subspan(16, 16), disk ? "Virtual Disk" : "Virtual DVD-ROM");
    put_text(std::span{out}.subspan(32, 4), "1.0");
    return out;
}

/// The page without its header; empty when there is no such page.
std::vector<std::uint8_t> LogicalUnit::vital_product_data(VpdPage page) const
{
    bool const disk = type_ == DeviceType::Disk;
    std::vector<std::uint8_t> out;
    switch (page) {
    case VpdPage::SupportedPages:
        for (auto const known : {VpdPage::SupportedPages, VpdPage::SerialNumber, VpdPage::DeviceIdentification})
            out.push_back(static_cast<std::uint8_t>(known));
        if (!disk) break;
        for (auto const known :
             {VpdPage::BlockLimits, VpdPage::BlockDeviceCharacteristics, VpdPage::LogicalBlockProvisioning})
            out.push_back(static_cast<std::uint8_t>(known));
        break;
    case VpdPage::SerialNumber: out.assign(serial_.begin(), serial_.end()); break;
    case VpdPage::DeviceIdentification: out = designators(serial_); break;
    case VpdPage::BlockLimits: {
        if (!disk) break;
        out.resize(0x3C);
        auto const field = [&](std::size_t offset, std::size_t size, std::uint64_t value) {
            put_big_endian(std::span{out}.subspan(offset - 4, size), value);
        };
        out[0] = 1; // WSNZ: WRITE SAME names how many
        auto const preferred = properties_.preferred_transfer / block_size_;
        if (preferred <= limits_.max_transfer / block_size_) field(6, 2, std::min<std::uint64_t>(preferred, 0xFFFF));
        field(8, 4, limits_.max_transfer / block_size_);
        if (properties_.discard) {
            field(20, 4, Limits::unmap_blocks);
            field(24, 4, Limits::unmap_descriptors);
            field(28, 4, std::max<std::uint64_t>(8, properties_.physical_block / block_size_));
            field(32, 4, 0x8000'0000); // the first granule begins at block 0
        }
        field(36, 8, Limits::write_same_blocks);
        break;
    }
    case VpdPage::BlockDeviceCharacteristics:
        if (!disk) break;
        out.resize(0x3C);
        out[1] = 1; // does not rotate
        break;
    case VpdPage::LogicalBlockProvisioning: {
        if (!disk) break;
        constexpr std::uint8_t by_unmap = 0x80;
        constexpr std::uint8_t by_write_same = 0x60; // of 16 and of 10 bytes
        constexpr std::uint8_t reads_zero = 0x04;
        constexpr std::uint8_t thin = 2;
        out.resize(4);
        if (properties_.discard) {
            out[1] = properties_.discard_zeroes ? by_unmap | by_write_same | reads_zero : by_unmap;
            out[2] = thin;
        }
        break;
    }
    }
    return out;
}

Answer inquiry_of_nothing(std::span<std::uint8_t const> cdb, DataBuffer const& data)
{
    if ((cdb[1] & 1) != 0 || cdb[2] != 0) return Answer::illegal(Additional::InvalidFieldInCdb);
    std::array<std::uint8_t, standard_size> out{};
    out[0] = no_unit_here;
    out[2] = spc_3;
    out[3] = response_format;
    out[4] = standard_size - 5;
    return give(out, big_endian(cdb.subspan(3, 2)), data);
}

} // namespace devices::scsi
