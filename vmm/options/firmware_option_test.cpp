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
