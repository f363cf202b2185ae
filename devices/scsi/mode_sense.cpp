// MODE SENSE (SPC-4 6.11, 6.12, 7.5; SBC-3 6.5; MMC-6 7).
#include "devices/base/big_endian.hpp"
#include "devices/scsi/logical_unit.hpp"

namespace devices::scsi {

namespace {

constexpr std::uint8_t caching_page = 0x08;
constexpr std::uint8_t control_page = 0x0A;
constexpr std::uint8_t capabilities_page = 0x2A;
constexpr std::uint8_t all_pages = 0x3F;

enum class Values : std::uint8_t { Current, Changeable, Default, Saved };

/// A page of so many bytes behind its header. Nothing can be changed, so the mask of what can is all zeros.
void add_page(std::vector<std::uint8_t>& out, Values values, std::uint8_t code, std::vector<std::uint8_t> content)
{
    if (values == Values::Changeable) std::ranges::fill(content, std::uint8_t{0});
    out.push_back(code);
    out.push_back(static_cast<std::uint8_t>(content.size()));
    out.insert(out.end(), content.begin(), content.end());
}

} // namespace

Answer LogicalUnit::mode_sense(Cdb cdb, bool long_form, DataBuffer const& data) const
{
    constexpr std::uint8_t no_block_descriptors = 0x08;
    constexpr std::uint8_t write_protected = 0x80;
    constexpr std::uint8_t takes_fua = 0x10;
    constexpr std::uint8_t write_cache = 0x04;

    bool const disk = type_ == DeviceType::Disk;
    auto const page = static_cast<std::uint8_t>(cdb[2] & 0x3F);
    auto const values = Values{static_cast<std::uint8_t>(cdb[2] >> 6)};
    auto const allocation_length = long_form ? big_endian(cdb.subspan(7, 2)) : cdb[4];
    if (values == Values::Saved) return Answer::illegal(Additional::SavingParametersNotSupported);
    if (cdb[3] != 0 && cdb[3] != 0xFF) return Answer::illegal(Additional::InvalidFieldInCdb); // subpages

    std::vector<std::uint8_t> pages;
    auto const wanted = [page](std::uint8_t code) { return page == code || page == all_pages; };
    if (disk && wanted(caching_page)) {
        std::vector<std::uint8_t> caching(18);
        if (!properties_.read_only) caching[0] = write_cache;
        add_page(pages, values, caching_page, caching);
    }
    if (wanted(control_page)) {
        std::vector<std::uint8_t> control(10);
        control[1] = 0x10; // commands may be reordered
        add_page(pages, values, control_page, control);
    }
    if (!disk && wanted(capabilities_page)) {
        std::vector<std::uint8_t> capabilities(18);
        capabilities[0] = 0x0B; // reads CD-R, CD-RW, DVD-ROM
        capabilities[4] = 0x29; // a tray that can be locked and ejected
        add_page(pages, values, capabilities_page, capabilities);
    }
    if (pages.empty()) return Answer::illegal(Additional::InvalidFieldInCdb);

    std::vector<std::uint8_t> descriptor;
    if (disk && (cdb[1] & no_block_descriptors) == 0) {
        descriptor.resize(8);
        put_big_endian(std::span{descriptor}.first(4), std::min<std::uint64_t>(blocks_, 0xFFFF'FFFF));
        put_big_endian(std::span{descriptor}.subspan(5, 3), block_size_);
    }
    std::uint8_t specific = 0;
    if (disk) specific = properties_.read_only ? write_protected : takes_fua;

    std::vector<std::uint8_t> out(long_form ? 8 : 4);
    auto const behind_length = out.size() - (long_form ? 2 : 1) + descriptor.size() + pages.size();
    put_big_endian(std::span{out}.first(long_form ? 2 : 1), behind_length);
    out[long_form ? 3 : 2] = specific;
    out.back() = static_cast<std::uint8_t>(descriptor.size());
    out.insert(out.end(), descriptor.begin(), descriptor.end());
    out.insert(out.end(), pages.begin(), pages.end());
    return give(out, allocation_length, data);
}

} // namespace devices::scsi
