// Options of `porthole run` that say what machine the guest has, and how that starts.
#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/cli/command_line.hpp"

#include <string>
#include <vector>

namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

vmm::GuestOptions run(std::vector<char const*> arguments)
{
    arguments.insert(arguments.begin(), "run");
    return std::get<vmm::RunOptions>(vmm::parse_command_line(arguments, {})).guests.at(0);
}

std::string complaint(std::vector<char const*> const& arguments)
{
    try {
        (void)run(arguments);
    } catch (vmm::UserError const& error) {
        return error.what();
    }
    return "(accepted)";
}

} // namespace

TEST_CASE("what a machine's SMBIOS tables say is named in one option or several", "[cli][smbios]")
{
    auto const guest = run({"--kernel", "k", "--smbios", "vendor=A,,B,oem=one", "--smbios", "serial=7,oem=two"});
    CHECK(guest.smbios.vendor == "A,B");
    CHECK(guest.smbios.serial == "7");
    CHECK(guest.smbios.oem == std::vector<std::string>{"one", "two"});
    CHECK_THAT(complaint({"--kernel", "k", "--smbios", "serial"}), StartsWith("--smbios: 'serial' says nothing"));
    CHECK_THAT(complaint({"--kernel", "k", "--smbios="}), StartsWith("--smbios: '' says nothing"));
}

TEST_CASE("a firmware is told what to boot first", "[cli]")
{
    auto const kinds = run({"--disk", "a", "--disk", "b.iso", "--boot", "dvd,disk"});
    CHECK(kinds.boot == std::vector{vmm::BootDevice::Dvd, vmm::BootDevice::Disk});
    CHECK(kinds.disks.at(0).boot_index == 1U);
    auto const places = run({"--disk", "a,bootindex=7", "--disk", "b,ro,bootindex=0"});
    CHECK(places.disks.at(0).boot_index == 7U);
    CHECK(places.disks.at(1).boot_index == 0U);

    auto const by_network = run({"--net", "user", "--boot", "net"});
    CHECK(by_network.starts_by_firmware());
    CHECK(by_network.nets.at(0).boot_index == 0U);

    CHECK_THAT(complaint({"--disk", "a", "--boot", "net"}), Contains("add one, or leave net out"));
    CHECK_THAT(complaint({"--kernel", "k", "--boot", "disk"}), Contains("only a firmware has an order"));
    CHECK_THAT(complaint({"--disk", "a,bootindex=10000"}), Contains("is no place in an order"));
    CHECK_THAT(complaint({"--disk", "a,bootindex="}), Contains("is no place in an order"));
    CHECK_THAT(complaint({"--disk", "a,bootindex=1", "--boot", "disk"}), Contains("exclude each other"));
}

TEST_CASE("Secure Boot is a firmware's", "[cli]")
{
    CHECK(run({"--disk", "a", "--secure-boot"}).secure_boot);
    CHECK_FALSE(run({"--disk", "a"}).secure_boot);
    CHECK_THAT(complaint({"--kernel", "k", "--secure-boot"}), Contains("only a firmware has Secure Boot"));
}

TEST_CASE("a TPM has a folder", "[cli]")
{
    CHECK(run({"--kernel", "k", "--tpm", "state"}).tpm == "state");
    CHECK(run({"--kernel", "k"}).tpm.empty());
    CHECK_THAT(complaint({"--kernel", "k", "--tpm", ""}), Contains("--tpm"));
}

TEST_CASE("the help names what a machine is told", "[cli]")
{
    auto const help = std::get<vmm::PrintRequest>(vmm::parse_command_line(std::vector{"run", "--help"}, {})).text;
    for (auto const* const option : {"--smbios", "--boot", "--secure-boot", "bootindex=N", "sockets=N", "--tpm"})
        CHECK_THAT(help, Contains(option));
}
