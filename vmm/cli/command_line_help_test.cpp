#include "hv/testing/catch.hpp"
#include "vmm/cli/command_line.hpp"
#include "vmm/host/testing/contains.hpp"

#include <array>
#include <string>
#include <vector>

using vmm::testing::Contains;

namespace {

constexpr std::array<std::string_view, 2> privileges{"create-port", "connect-port"};
constexpr std::array<std::string_view, 3> features{"synic", "stimer", "reference-tsc"};
constexpr vmm::KnownNames known{privileges, features};

} // namespace

TEST_CASE("help, version and doctor", "[cli]")
{
    auto const parse = [](std::vector<char const*> const& arguments) {
        return vmm::parse_command_line(arguments, known);
    };
    auto const text = [&](std::vector<char const*> const& arguments) {
        return std::get<vmm::PrintRequest>(parse(arguments)).text;
    };
    CHECK(text({"--version"}) == "porthole " PORTHOLE_VERSION "\n");
    CHECK_THAT(text({"--help"}), Contains("run") && Contains("doctor"));
    for (auto const* const option : {"--kernel",     "--initrd",          "--cmdline",      "--memory", "--cpus",
                                     "--serial",     "--on-reboot",       "--log-level",    "--hyperv", "--log-file",
                                     "--privileges", "--hv-features",     "--test-devices", "--trace",  "create-port",
                                     "synic",        "--config",          "--pool",         "--vsock",  "--disk",
                                     "--on-crash",   "--on-triple-fault", "--module",       "--jail",   "--allow",
                                     "--user",       "--chroot",          "--netns",        "--cgroup", "--rtc",
                                     "--children",   "--display"})
        CHECK_THAT(text({"run", "--help"}), Contains(option));
    CHECK(std::holds_alternative<vmm::DoctorRequest>(parse({"doctor"})));
}
