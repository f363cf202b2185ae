// Keys of a guest that say what machine it is, and how that starts.
#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/config/config_file.hpp"

#include <filesystem>
#include <string>

namespace {

using Catch::Matchers::StartsWith;

vmm::GuestOptions parse(std::string const& keys)
{
    auto const guests = vmm::parse_config("[[guest]]\nname = 'a'\n" + keys + "\n", "lab.toml", {});
    REQUIRE(guests.size() == 1);
    return guests.front();
}

/// What is said of a guest with a kernel and this line, its fourth.
std::string complaint(std::string const& line)
{
    try {
        (void)parse("kernel = 'k'\n" + line);
    } catch (vmm::UserError const& error) {
        return error.what();
    }
    return "(accepted)";
}

} // namespace

TEST_CASE("what the machine's SMBIOS tables say is a table", "[config][smbios]")
{
    auto const guest =
        parse("kernel = 'k'\nsmbios = { vendor = 'Example, Inc.', serial = '1234', oem = ['one', 'two,three'] }");
    CHECK(guest.smbios.vendor == "Example, Inc.");
    CHECK(guest.smbios.serial == "1234");
    CHECK(guest.smbios.oem == std::vector<std::string>{"one", "two,three"});
    CHECK(parse("kernel = 'k'\nsmbios = { oem = 'one' }").smbios.oem == std::vector<std::string>{"one"});
    CHECK(parse("kernel = 'k'").smbios == vmm::SmbiosOptions{});

    CHECK_THAT(complaint("smbios = { maker = 'x' }"),
               StartsWith("lab.toml:4:20: smbios: 'maker' is not known: use vendor, "));
    CHECK_THAT(complaint("smbios = { serial = '' }"), StartsWith("lab.toml:4:21: smbios: 'serial=' is empty"));
    CHECK_THAT(complaint("smbios = { serial = 7 }"), StartsWith("lab.toml:4:21: serial: is a whole number"));
    CHECK_THAT(complaint("smbios = 'x'"), StartsWith("lab.toml:4:10: smbios: is a string and must be a table"));
}

TEST_CASE("a guest's firmware has an order of what to boot", "[config]")
{
    auto const guest = parse("disk = ['a.img', 'b.iso']\nboot = ['dvd', 'disk']");
    CHECK(guest.boot == std::vector{vmm::BootDevice::Dvd, vmm::BootDevice::Disk});
    CHECK(guest.disks.at(0).boot_index == 1U);
    CHECK(guest.disks.at(1).boot_index == 0U);
    CHECK(parse("disk = 'a.img'\nboot = 'disk'").boot == std::vector{vmm::BootDevice::Disk});

    auto const by_network = parse("net = ['tap=a', 'tap=b,bootindex=0']");
    CHECK(by_network.starts_by_firmware());
    CHECK(by_network.nets.at(1).boot_index == 0U);

    CHECK_THAT(complaint("boot = 'floppy'"), StartsWith("lab.toml:4:8: boot: 'floppy' is not known"));
    CHECK_THAT(complaint("boot = []"), StartsWith("lab.toml:4:8: boot: '' is not known"));
    CHECK_THAT(complaint("boot = 'dvd'"), StartsWith("lab.toml:1:1: guest 'a': only a firmware has an order"));
}

TEST_CASE("a guest has Secure Boot when it is asked for", "[config]")
{
    CHECK(parse("disk = 'a.img'\nsecure-boot = true").secure_boot);
    CHECK(parse("disk = 'a.img'\nsecure-boot = true").firmware.variables == "/usr/share/OVMF/OVMF_VARS_4M.ms.fd");
    CHECK_FALSE(parse("disk = 'a.img'").secure_boot);
    CHECK_THAT(complaint("secure-boot = true"), StartsWith("lab.toml:1:1: guest 'a': only a firmware has Secure"));
    CHECK_THAT(complaint("secure-boot = 'on'"), StartsWith("lab.toml:4:15: secure-boot: is a string"));
}

TEST_CASE("a guest's TPM has a folder", "[config]")
{
    CHECK(std::filesystem::path{parse("kernel = 'k'\ntpm = 'state'").tpm}.filename() == "state");
    CHECK_THAT(complaint("tpm = true"), StartsWith("lab.toml:4:7: tpm: is true or false"));
}

TEST_CASE("a guest's processors are a number, or a text with their sockets and threads", "[config]")
{
    auto const guest = parse("kernel = 'k'\ncpus = '8,sockets=2,threads=2'");
    CHECK(guest.cpus == 8);
    CHECK(guest.topology == vmm::CpuTopology{2, 2});
    CHECK_THAT(complaint("cpus = '12,sockets=2'"), StartsWith("lab.toml:4:8: cpus: '12,sockets=2' gives a socket 6"));
}
