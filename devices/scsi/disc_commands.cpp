// What the driver of a CD or DVD drive asks (MMC-6). The disc has one session with one data track.
#include "devices/base/big_endian.hpp"
#include "devices/scsi/logical_unit.hpp"

#include <array>

namespace devices::scsi {

namespace {

constexpr std::uint8_t data_track = 0x14; ///< ADR 1, control: digital data
constexpr std::uint8_t lead_out = 0xAA;

constexpr std::uint16_t profile_cd_rom = 0x0008;
constexpr std::uint16_t profile_dvd_rom = 0x0010;
constexpr std::uint64_t largest_cd = 900ULL << 20; ///< bytes, more than any CD has

/// A place on the disc: as a block number, or as minute, second and 1/75 second (MMC-6 6.24).
std::array<std::uint8_t, 4> address(std::uint64_t block, bool as_time)
{
    std::array<std::uint8_t, 4> out{};
    if (!as_time) {
        put_big_endian(std::span{out}, block);
        return out;
    }
    constexpr std::uint64_t frames_a_second = 75;
    constexpr std::uint64_t start = 2 * frames_a_second;
    auto const frames = block + start;
    out[1] = static_cast<std::uint8_t>(std::min<std::uint64_t>(frames / (60 * frames_a_second), 0xFF));
    out[2] = static_cast<std::uint8_t>(frames / frames_a_second % 60);
    out[3] = static_cast<std::uint8_t>(frames % frames_a_second);
    return out;
}

void add_track(std::vector<std::uint8_t>& out, std::uint8_t number, std::array<std::uint8_t, 4> const& where)
{
    out.insert(out.end(), {0, data_track, number, 0});
    out.insert(out.end(), where.begin(), where.end());
}

void add_feature(std::vector<std::uint8_t>& out, std::uint16_t code, std::uint8_t version,
                 std::vector<std::uint8_t> const& content)
{
    constexpr std::uint8_t persistent_and_current = 0x03;
    out.insert(out.end(), {static_cast<std::uint8_t>(code >> 8), static_cast<std::uint8_t>(code),
                           static_cast<std::uint8_t>(version << 2 | persistent_and_current),
                           static_cast<std::uint8_t>(content.size())});
    out.insert(out.end(), content.begin(), content.end());
}

/// The length at the front counts what is behind it.
void put_length(std::vector<std::uint8_t>& out, std::size_t size)
{
    put_big_endian(std::span{out}.first(size), out.size() - size);
}

} // namespace

Answer LogicalUnit::read_toc(Cdb cdb, DataBuffer const& data) const
{
    bool const as_time = (cdb[1] & 0x02) != 0;
    auto const format = cdb[2] & 0x0F;
    auto const from_track = cdb[6];
    std::vector<std::uint8_t> out{0, 0, 1, 1}; // the first and last track, or session
    switch (format) {
    case 0:
        if (from_track > 1 && from_track != lead_out) return Answer::illegal(Additional::InvalidFieldInCdb);
        if (from_track <= 1) add_track(out, 1, address(0, as_time));
        add_track(out, lead_out, address(blocks_, as_time));
        break;
    case 1: add_track(out, 1, address(0, as_time)); break;
    default: return Answer::illegal(Additional::InvalidFieldInCdb);
    }
    put_length(out, 2);
    return give(out, big_endian(cdb.subspan(7, 2)), data);
}

Answer LogicalUnit::get_configuration(Cdb cdb, DataBuffer const& data) const
{
    constexpr std::uint16_t core = 0x0001;
    constexpr std::uint16_t removable_medium = 0x0003;
    constexpr std::uint16_t random_readable = 0x0010;
    constexpr std::uint16_t multi_read = 0x001D;
    constexpr std::uint16_t dvd_read = 0x001F;
    constexpr auto one_only = 2;

    auto const request = cdb[1] & 0x03;
    auto const from = big_endian(cdb.subspan(2, 2));
    auto const profile = properties_.size <= largest_cd ? profile_cd_rom : profile_dvd_rom;
    auto const low = static_cast<std::uint8_t>(profile);

    std::vector<std::uint8_t> out{0, 0, 0, 0, 0, 0, static_cast<std::uint8_t>(profile >> 8), low};
    auto const add = [&](std::uint16_t code, std::uint8_t version, std::vector<std::uint8_t> const& content) {
        if (request == one_only ? code == from : code >= from) add_feature(out, code, version, content);
    };
    auto const current = [low](std::uint16_t p) { return static_cast<std::uint8_t>(p == low ? 1 : 0); };
    add(0, 0, {0, 0x10, current(profile_dvd_rom), 0, 0, 0x08, current(profile_cd_rom), 0});
    add(core, 2, {0, 0, 0, 1, 1, 0, 0, 0}); // over SCSI
    add(removable_medium, 0, {0x29, 0, 0, 0});
    std::vector<std::uint8_t> readable(8);
    put_big_endian(std::span{readable}.first(4), block_size_);
    readable[5] = 0x10; // a DVD's error correction block
    add(random_readable, 0, readable);
    if (profile == profile_cd_rom) {
        add(multi_read, 0, {});
    } else {
        add(dvd_read, 0, {});
    }
    put_length(out, 4);
    return give(out, big_endian(cdb.subspan(7, 2)), data);
}

Answer LogicalUnit::get_event_status(Cdb cdb, DataBuffer const& data) const
{
    constexpr std::uint8_t media_class = 4;
    constexpr std::uint8_t medium_present = 0x02;
    constexpr std::uint8_t no_event_available = 0x80;
    if ((cdb[1] & 1) == 0) return Answer::illegal(Additional::InvalidFieldInCdb); // not to be told later on
    std::vector<std::uint8_t> out{0, 0, 0, 1U << media_class};
    if ((cdb[4] & 1U << media_class) != 0) {
        out[2] = media_class;
        out.insert(out.end(), {0, medium_present, 0, 0}); // nothing has changed
    } else {
        out[2] = no_event_available;
    }
    put_length(out, 2);
    return give(out, big_endian(cdb.subspan(7, 2)), data);
}

Answer LogicalUnit::read_disc_information(Cdb cdb, DataBuffer const& data) const
{
    if ((cdb[1] & 0x07) != 0) return Answer::illegal(Additional::InvalidFieldInCdb);
    std::vector<std::uint8_t> out(34);
    out[2] = 0x0E; // complete, and so is its last session
    out[3] = 1;    // the first track
    out[4] = 1;    // sessions
    out[5] = 1;    // the first and last track of the last session
    out[6] = 1;
    put_length(out, 2);
    return give(out, big_endian(cdb.subspan(7, 2)), data);
}

/// Whichever way the CDB names it, there is one track.
Answer LogicalUnit::read_track_information(Cdb cdb, DataBuffer const& data) const
{
    std::vector<std::uint8_t> out(36);
    out[2] = 1;    // the track
    out[3] = 1;    // its session
    out[5] = 0x04; // digital data
    out[6] = 0x01; // in blocks of 2048 bytes
    put_big_endian(std::span{out}.subspan(24, 4), blocks_);
    put_length(out, 2);
    return give(out, big_endian(cdb.subspan(7, 2)), data);
}

} // namespace devices::scsi
