#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/options/firmware_option.hpp"

#include <string>

using namespace vmm;
using Catch::Matchers::Contains;

namespace {

std::string complaint(std::string_view text)
{
    try {
        (void)parse_firmware("--firmware", text);
    } catch (UserError const& error) {
        return error.what();
    }
    return {};
}

} // namespace

TEST_CASE("a firmware is Debian's, or has a name", "[options]")
{
    CHECK(parse_firmware("--firmware", "auto") ==
          FirmwareOptions{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"});
    CHECK(parse_firmware("--firmware", "CODE/X_CODE.fd") == FirmwareOptions{"CODE/X_CODE.fd", "CODE/X_VARS.fd"});
    CHECK(parse_firmware("--firmware", "CODE/OVMF.fd") == FirmwareOptions{"CODE/OVMF.fd", ""});
}

TEST_CASE("a firmware that could not run is refused by its name", "[options]")
{
    CHECK_THAT(complaint(""), Contains("needs a value"));
    CHECK_THAT(complaint("/usr/share/OVMF/OVMF_CODE_4M.secboot.fd"), Contains("System Management Mode"));
    CHECK(complaint("/tmp/.ms.d/OVMF_CODE_4M.fd").empty());
}

TEST_CASE("a guest with a disk and no kernel starts by firmware", "[options]")
{
    GuestOptions guest;
    choose_start(guest);
    CHECK_FALSE(guest.starts_by_firmware());
    guest.disks.push_back({.image = "disk"});
    auto with_kernel = guest;
    with_kernel.kernel = "vmlinuz";
    choose_start(with_kernel);
    CHECK_FALSE(with_kernel.starts_by_firmware());
    choose_start(guest);
    CHECK(guest.firmware == parse_firmware("--firmware", "auto"));
    guest.firmware = {"X_CODE.fd", "X_VARS.fd"};
    choose_start(guest);
    CHECK(guest.firmware.code == "X_CODE.fd");
}

TEST_CASE("what a firmware boots has an order", "[options]")
{
    using enum BootDevice;
    CHECK(parse_boot("--boot", "disk") == std::vector{Disk});
    CHECK(parse_boot("--boot", "dvd,disk") == std::vector{Dvd, Disk});
    CHECK(parse_boot("--boot", "disk,net,dvd") == std::vector{Disk, Net, Dvd});
    auto const complaint = [](std::string_view text) -> std::string {
        try {
            (void)parse_boot("--boot", text);
        } catch (UserError const& error) {
            return error.what();
        }
        return {};
    };
    CHECK_THAT(complaint(""), Contains("'' is not known"));
    CHECK_THAT(complaint("disk,"), Contains("'' is not known"));
    CHECK_THAT(complaint("floppy"), Contains("'floppy' is not known: use disk, dvd, net"));
    CHECK_THAT(complaint("disk,disk"), Contains("twice"));
}

TEST_CASE("an order of kinds is one of disks", "[options]")
{
    GuestOptions guest;
    guest.disks = {{.image = "a"}, {.image = "b.iso", .dvd = true}, {.image = "c"}};
    guest.boot = {BootDevice::Dvd, BootDevice::Disk};
    choose_start(guest);
    check_start(guest);
    settle_boot_order(guest);
    CHECK(guest.disks[0].boot_index == 1U);
    CHECK(guest.disks[1].boot_index == 0U);
    CHECK(guest.disks[2].boot_index == 2U);

    guest.boot = {BootDevice::Disk};
    for (auto& disk : guest.disks)
        disk.boot_index.reset();
    settle_boot_order(guest);
    CHECK(guest.disks[0].boot_index == 0U);
    CHECK_FALSE(guest.disks[1].boot_index);
}

TEST_CASE("network cards have their place in the order, and start the firmware", "[options]")
{
    GuestOptions guest;
    guest.nets = {{.tap = "a"}, {.tap = "b"}};
    choose_start(guest);
    CHECK_FALSE(guest.starts_by_firmware());
    auto indexed = guest;
    indexed.nets[1].boot_index = 4;
    choose_start(indexed);
    CHECK(indexed.starts_by_firmware());
    check_start(indexed);

    guest.disks = {{.image = "a"}, {.image = "b.iso", .dvd = true}};
    guest.boot = {BootDevice::Disk, BootDevice::Net, BootDevice::Dvd};
    choose_start(guest);
    check_start(guest);
    settle_boot_order(guest);
    CHECK(guest.disks[0].boot_index == 0U);
    CHECK(guest.nets[0].boot_index == 1U);
    CHECK(guest.nets[1].boot_index == 2U);
    CHECK(guest.disks[1].boot_index == 3U);
}

TEST_CASE("an order that nobody could follow is refused", "[options]")
{
    auto const complaint = [](GuestOptions guest) -> std::string {
        try {
            choose_start(guest);
            check_start(guest);
        } catch (UserError const& error) {
            return error.what();
        }
        return {};
    };
    GuestOptions guest;
    guest.disks = {{.image = "a", .boot_index = 1}, {.image = "b", .boot_index = 2}};
    CHECK(complaint(guest).empty());
    auto both = guest;
    both.boot = {BootDevice::Disk};
    CHECK_THAT(complaint(both), Contains("exclude each other"));
    auto same = guest;
    same.disks[1].boot_index = 1;
    CHECK_THAT(complaint(same), Contains("the same bootindex"));
    auto card = guest;
    card.nets = {{.tap = "a", .boot_index = 2}};
    CHECK_THAT(complaint(card), Contains("the same bootindex"));
    auto without_card = guest;
    without_card.disks[0].boot_index.reset();
    without_card.disks[1].boot_index.reset();
    without_card.boot = {BootDevice::Net};
    CHECK_THAT(complaint(without_card), Contains("add one, or leave net out"));
    auto kernel = guest;
    kernel.kernel = "k";
    CHECK_THAT(complaint(kernel), Contains("only a firmware has an order"));
    kernel.disks.clear();
    kernel.boot = {BootDevice::Disk};
    CHECK_THAT(complaint(kernel), Contains("only a firmware has an order"));
}

TEST_CASE("Secure Boot starts with Microsoft's keys", "[options]")
{
    GuestOptions guest;
    guest.secure_boot = true;
    guest.disks = {{.image = "a"}};
    choose_start(guest);
    CHECK(guest.firmware == FirmwareOptions{"/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"});
    check_start(guest);
    guest.firmware = parse_firmware("--firmware", "a.b/X_CODE");
    choose_start(guest);
    CHECK(guest.firmware.variables == "a.b/X_VARS.ms");
    GuestOptions kernel;
    kernel.kernel = "k";
    kernel.secure_boot = true;
    CHECK_THROWS_WITH(check_start(kernel), Contains("only a firmware has Secure Boot"));
}
