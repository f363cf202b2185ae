#include "devices/firmware/option_rom.hpp"
#include "hv/testing/catch.hpp"
#include "hv/testing/value_at.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

using hv::testing::value_at;

// PCI Firmware Specification 3.3 §5.1; UEFI Specification 2.10 §14.4.2.
TEST_CASE("the option ROM leads a firmware to the driver", "[option-rom]")
{
    auto const driver = devices::firmware::efi_driver();
    auto const rom =
        devices::firmware::option_rom(driver, {.vendor = 0x1234, .device = 0x5678, .class_code = 0x90ABCD});
    CHECK(value_at<std::uint16_t>(rom, 0) == 0xAA55);
    CHECK(value_at<std::uint16_t>(rom, 2) * 512U == rom.size());
    CHECK(value_at<std::uint32_t>(rom, 4) == 0x0EF1);
    CHECK(value_at<std::uint16_t>(rom, 8) == 11);
    CHECK(value_at<std::uint16_t>(rom, 10) == 0x8664);
    auto const image = value_at<std::uint16_t>(rom, 0x16);
    CHECK(std::ranges::equal(std::span{rom}.subspan(image, driver.size()), driver));

    auto const data = value_at<std::uint16_t>(rom, 0x18);
    CHECK(data % 4 == 0);
    CHECK(std::memcmp(rom.data() + data, "PCIR", 4) == 0);
    CHECK(value_at<std::uint16_t>(rom, data + 4U) == 0x1234);
    CHECK(value_at<std::uint16_t>(rom, data + 6U) == 0x5678);
    CHECK(value_at<std::uint16_t>(rom, data + 0x0AU) == 0x1C);
    CHECK(value_at<std::uint32_t>(rom, data + 0x0CU) == 0x90AB'CD03);
    CHECK(value_at<std::uint16_t>(rom, data + 0x10U) * 512U == rom.size());
    CHECK(value_at<std::uint8_t>(rom, data + 0x14U) == 3);
    CHECK(value_at<std::uint8_t>(rom, data + 0x15U) == 0x80);
}

// PE format: a firmware starts a driver of its processor's kind only, and only with relocations.
TEST_CASE("the driver is one that a UEFI firmware starts", "[option-rom]")
{
    auto const driver = devices::firmware::efi_driver();
    CHECK(value_at<std::uint16_t>(driver, 0) == 0x5A4D); // "MZ"
    auto const header = value_at<std::uint32_t>(driver, 0x3C);
    CHECK(value_at<std::uint32_t>(driver, header) == 0x0000'4550); // "PE"
    CHECK(value_at<std::uint16_t>(driver, header + 4) == 0x8664);
    auto const optional = header + 24;
    CHECK(value_at<std::uint16_t>(driver, optional) == 0x020B);
    CHECK(value_at<std::uint16_t>(driver, optional + 68) == 11);
    CHECK(value_at<std::uint32_t>(driver, optional + 112 + 5 * 8 + 4) != 0); // the directory of relocations
}
