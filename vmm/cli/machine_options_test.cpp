// Options of `porthole run` that say what machine the guest has.
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

TEST_CASE("the help names what a machine is told", "[cli]")
{
    auto const help = std::get<vmm::PrintRequest>(vmm::parse_command_line(std::vector{"run", "--help"}, {})).text;
    for (auto const* const option : {"--smbios"})
        CHECK_THAT(help, Contains(option));
}
