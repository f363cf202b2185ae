#include "devices/firmware/option_rom.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace devices::firmware {

namespace {

#pragma pack(push, 1)

struct RomHeader {
    std::uint16_t signature = 0xAA55;
    std::uint16_t units; ///< of 512 bytes
    std::uint32_t efi_signature = 0x0EF1;
    std::uint16_t subsystem = 11; ///< a boot service driver
    std::uint16_t machine = 0x8664;
    std::uint16_t compression = 0;
    std::array<std::uint8_t, 8> reserved{};
    std::uint16_t driver_offset;
    std::uint16_t data_offset;
};
static_assert(sizeof(RomHeader) == 0x1A);

struct RomData {
    std::array<char, 4> signature{'P', 'C', 'I', 'R'};
    std::uint16_t vendor;
    std::uint16_t device;
    std::uint16_t device_list = 0;
    std::uint16_t length = sizeof(RomData);
    std::uint8_t revision = 3;
    std::array<std::uint8_t, 3> class_code;
    std::uint16_t units; ///< as in the header
    std::uint16_t code_revision = 0;
    std::uint8_t code_type = 3;    ///< UEFI
    std::uint8_t indicator = 0x80; ///< the last image
    std::uint16_t longest_run_time = 0;
    std::uint16_t configuration = 0;
    std::uint16_t entries = 0;
};
static_assert(sizeof(RomData) == 0x1C);

#pragma pack(pop)

constexpr std::size_t unit = 512;
constexpr std::size_t data_offset = 0x1C; ///< a multiple of 4
constexpr std::size_t driver_offset = 0x40;
static_assert(data_offset >= sizeof(RomHeader) && data_offset + sizeof(RomData) <= driver_offset);

void put(std::vector<std::byte>& rom, std::size_t at, std::span<std::byte const> part)
{
    std::ranges::copy(part, rom.begin() + static_cast<std::ptrdiff_t>(at));
}

} // namespace

std::vector<std::byte> option_rom(std::span<std::byte const> driver, PciIdentity const& identity)
{
    auto const units = static_cast<std::uint16_t>((driver_offset + driver.size() + unit - 1) / unit);
    RomHeader const header{.units = units, .driver_offset = driver_offset, .data_offset = data_offset};
    RomData const data{.vendor = identity.vendor,
                       .device = identity.device,
                       .class_code = {static_cast<std::uint8_t>(identity.class_code),
                                      static_cast<std::uint8_t>(identity.class_code >> 8),
                                      static_cast<std::uint8_t>(identity.class_code >> 16)},
                       .units = units};
    std::vector<std::byte> rom(units * unit);
    put(rom, 0, std::as_bytes(std::span{&header, 1}));
    put(rom, data_offset, std::as_bytes(std::span{&data, 1}));
    put(rom, driver_offset, driver);
    return rom;
}

} // namespace devices::firmware
