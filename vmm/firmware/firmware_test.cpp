#include "hv/testing/catch.hpp"
#include "hv/testing/value_at.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/firmware/firmware.hpp"
#include "vmm/firmware/fw_cfg_files.hpp"
#include "vmm/firmware/testing/images.hpp"

#include <algorithm>
#include <filesystem>

using namespace vmm;
using namespace vmm::firmware;
using namespace vmm::firmware::testing;
using Catch::Matchers::Contains;
using hv::testing::value_at;

namespace {

GuestOptions options(std::string code, std::string variables)
{
    GuestOptions guest;
    guest.firmware = {std::move(code), std::move(variables)};
    return guest;
}

std::string complaint(GuestOptions const& guest)
{
    try {
        Firmware const firmware{guest};
    } catch (UserError const& error) {
        return error.what();
    }
    return {};
}

} // namespace

TEST_CASE("a firmware ends at 4 GiB, behind its variables", "[firmware]")
{
    vmm::testing::Folder const folder;
    auto const code_path = folder.file("X_CODE.fd", code());
    auto const variables_path = folder.file("X_VARS.fd", variables());
    Firmware const firmware{options(code_path, variables_path)};
    CHECK(firmware.code_range() == MemoryRange{hv::Gpa{0xFFFF'C000}, 0x4000});
    CHECK(firmware.variables_range() == MemoryRange{hv::Gpa{0xFFFF'4000}, 0x8000});
    CHECK(std::ranges::equal(firmware.code(), bytes(code())));
    CHECK(std::ranges::equal(firmware.variables().bytes(), bytes(variables())));

    Firmware const whole{options(folder.file("X.fd", variables() + code()), "")};
    CHECK(std::ranges::equal(whole.code(), bytes(code())));
    CHECK(std::ranges::equal(whole.variables().bytes(), bytes(variables())));
}

TEST_CASE("what is no firmware is refused in one line", "[firmware]")
{
    vmm::testing::Folder const folder;
    auto const good = folder.file("good", code());
    auto const with = folder.file("with", variables());
    CHECK(complaint(options(good, with)).empty());
    CHECK_THAT(complaint(options(folder.path("none"), with)), Contains("cannot open the firmware"));
    CHECK_THAT(complaint(options("/usr/share/OVMF/none.fd", with)), Contains("install Debian's package ovmf"));
    CHECK_THAT(complaint(options(folder.file("short", code().substr(1)), with)), Contains("multiple of 4096"));
    CHECK_THAT(complaint(options(folder.file("large", std::string(17 << 20, 'x')), with)),
               Contains("multiple of 4096"));
    CHECK_THAT(complaint(options(folder.file("zeros", std::string(8192, '\0')), with)), Contains("firmware volume"));
    CHECK_THAT(complaint(options(with, with)), Contains("firmware volume"));
    CHECK_THAT(complaint(options(good, good)), Contains("template of the firmware's variables"));
    CHECK_THAT(complaint(options(good, "")), Contains("no place for variables"));
    CHECK_THAT(complaint(options(folder.file("twice", variables() + variables()), "")), Contains("firmware volume"));
}

TEST_CASE("a guest with Secure Boot does not start without its keys", "[firmware]")
{
    vmm::testing::Folder const folder;
    auto with_keys = variables();
    put_variable(with_keys, first_variable, platform_key, u"PK", "key");
    auto without = variables();
    put_variable(without, first_variable, platform_key, u"PK", "key", 0x3C); // which was deleted
    auto guest = options(folder.file("code", code()), folder.file("keys", with_keys));
    auto const plain = options(guest.firmware.code, folder.file("plain", without));
    guest.secure_boot = true;
    CHECK(complaint(guest).empty());
    guest.nvram = folder.path("new");
    CHECK(complaint(guest).empty());
    CHECK(complaint(guest).empty()); // which is there now

    guest.nvram = folder.file("without", without);
    CHECK_THAT(complaint(guest), Contains("NVRAM file '" + guest.nvram + "' has no keys for Secure Boot"));
    guest.firmware = plain.firmware;
    guest.nvram = folder.path("not made");
    CHECK_THAT(complaint(guest), Contains("no keys for Secure Boot in the firmware's variables"));
    CHECK_FALSE(std::filesystem::exists(guest.nvram));
    guest.nvram = folder.file("own keys", with_keys);
    CHECK(complaint(guest).empty());
    guest.secure_boot = false;
    CHECK(complaint(guest).empty()); // keys do no harm
}

TEST_CASE("a firmware is told of RAM on both sides of the hole", "[firmware]")
{
    auto const map = memory_map(MemoryLayout{std::uint64_t{5} << 30});
    REQUIRE(map.size() == 40);
    CHECK(value_at<std::uint64_t>(map, 0) == 0);
    CHECK(value_at<std::uint64_t>(map, 8) == std::uint64_t{3} << 30);
    CHECK(value_at<std::uint32_t>(map, 16) == 1);
    CHECK(value_at<std::uint64_t>(map, 20) == std::uint64_t{4} << 30);
    CHECK(value_at<std::uint64_t>(map, 28) == std::uint64_t{2} << 30);
}

// edk2 OvmfPkg/Include/IndustryStandard/QemuLoader.h.
TEST_CASE("the loader's commands give the tables their addresses and checksums", "[firmware]")
{
    AcpiTables const tables{std::vector<std::byte>(256), {{24, 8}, {40, 4}}, {{9, 0, 36}}};
    auto const commands = table_loader(tables);
    REQUIRE(commands.size() == 4 * 128);
    auto const name = [&](std::size_t offset) {
        return std::string{reinterpret_cast<char const*>(commands.data()) + offset};
    };
    CHECK(value_at<std::uint32_t>(commands, 0) == 1);
    CHECK(name(4) == "etc/acpi/tables");
    CHECK(value_at<std::uint32_t>(commands, 60) == 64);
    CHECK(value_at<std::uint8_t>(commands, 64) == 1);
    CHECK(value_at<std::uint32_t>(commands, 128) == 2);
    CHECK(name(132) == "etc/acpi/tables");
    CHECK(name(188) == "etc/acpi/tables");
    CHECK(value_at<std::uint32_t>(commands, 244) == 24);
    CHECK(value_at<std::uint8_t>(commands, 248) == 8);
    CHECK(value_at<std::uint32_t>(commands, 256 + 116) == 40);
    CHECK(value_at<std::uint32_t>(commands, 384) == 3);
    CHECK(value_at<std::uint32_t>(commands, 384 + 60) == 9);
    CHECK(value_at<std::uint32_t>(commands, 384 + 64) == 0);
    CHECK(value_at<std::uint32_t>(commands, 384 + 68) == 36);
}
