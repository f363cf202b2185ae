// A guest's TPM: its swtpm comes and goes with the run.
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/cli/testing/puppet.hpp"
#include "vmm/cli/testing/watched.hpp"
#include "vmm/helper/confined_program.hpp"
#include "vmm/host/testing/contains.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace vmm::testing;

bool can_have_tpm()
{
    if (!can_run()) return false;
    if (!vmm::helper::find_program("swtpm").empty()) return true;
    WARN("needs swtpm");
    return false;
}

std::vector<std::string> run(std::string const& folder, std::vector<std::string> const& more = {},
                             std::string const& cmdline = "say:up halt")
{
    std::vector<std::string> arguments{"run",       "--kernel", puppet(), "--memory", "16M", "--test-devices",
                                       "--cmdline", cmdline,    "--tpm",  folder};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

/// The swtpm that has its state in a folder.
Watched swtpm_in(std::string const& folder)
{
    auto const real = std::filesystem::canonical(folder);
    std::vector<pid_t> found;
    for (auto const& entry : std::filesystem::directory_iterator{"/proc"}) {
        auto const name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        std::error_code error; // of one that has ended meanwhile
        if (text_of(entry.path() / "comm") == "swtpm\n" &&
            std::filesystem::read_symlink(entry.path() / "cwd", error) == real)
            found.push_back(std::stoi(name));
    }
    REQUIRE(found.size() == 1);
    return Watched{found[0]};
}

} // namespace

TEST_CASE("a TPM's swtpm is confined, and ends with the guest", "[binary][tpm]")
{
    if (!can_have_tpm()) return;
    auto const* const jail = GENERATE("on", "off");
    Folder const folder;
    auto const state = folder.path("state");
    Process process{run(state, {"--jail", jail}, "say:up await-power-button power-off")};
    process.await_output("up\n");
    auto const swtpm = swtpm_in(state);
    CHECK(swtpm.status("Seccomp") == "2");
    CHECK(swtpm.status("NoNewPrivs") == "1");
    constexpr unsigned long long to_open_files = 6; // CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    CHECK((std::stoull(swtpm.status("CapEff"), nullptr, 16) & ~to_open_files) == 0);
    process.signal(SIGTERM);
    auto const outcome = process.end();
    CHECK(outcome.status == 0);
    CHECK(outcome.err.find("TPM") == std::string::npos);
    CHECK(swtpm.ends());
    CHECK(std::filesystem::exists(state + "/tpm2-00.permall"));
}

TEST_CASE("a swtpm that is killed is said, and Porthole is in control", "[binary][tpm]")
{
    if (!can_have_tpm()) return;
    Folder const folder;
    auto const control = folder.path("control");
    auto const* const jail = GENERATE("on", "off");
    Process process{run(folder.path("state"), {"--jail", jail, "--control", control})};
    process.await_output("up\n");
    CHECK_THAT(porthole({"ctl", control, "inspect", "--json"}).out, Contains("\"swtpm\":\"works\""));
    CHECK_THAT(porthole({"ctl", control, "status", "--json"}).out, Contains("\"tpm\":\"works\""));
    ::kill(swtpm_in(folder.path("state")).pid, SIGKILL);
    process.await_error(
        "the guest: the TPM is lost: swtpm was ended by signal 9 (Killed): the guest goes on without");
    CHECK_THAT(porthole({"ctl", control, "inspect", "--json"}).out, Contains("\"swtpm\":\"lost\""));
    CHECK_THAT(porthole({"ctl", control, "status", "--json"}).out, Contains("\"tpm\":\"lost\""));
    (void)end(process);
}

TEST_CASE("a swtpm that hangs holds up neither commands nor the end", "[binary][tpm]")
{
    if (!can_have_tpm()) return;
    Folder const folder;
    auto const control = folder.path("control");
    Process process{run(folder.path("state"), {"--jail", "on", "--control", control})};
    process.await_output("up\n");
    auto const swtpm = swtpm_in(folder.path("state"));
    ::kill(swtpm.pid, SIGSTOP);
    CHECK(porthole({"ctl", control, "status"}).status == 0);
    (void)end(process);
    CHECK(swtpm.ends());
}

TEST_CASE("a Porthole that is killed leaves no swtpm behind, and the state in order", "[binary][tpm]")
{
    if (!can_have_tpm()) return;
    Folder const folder;
    auto const state = folder.path("state");
    std::optional<Watched> swtpm;
    std::optional<Watched> supervisor;
    {
        Process process{run(state)};
        process.await_output("up\n");
        swtpm.emplace(swtpm_in(state));
        supervisor.emplace(std::stoi(swtpm->status("PPid")));
        process.signal(SIGKILL);
        (void)process.end();
    }
    Process again{run(state)}; // it waits for the other one's end
    again.await_output("up\n");
    CHECK(swtpm->ends());
    CHECK(supervisor->ends());
    (void)end(again);
}

TEST_CASE("a guest that starts anew keeps its swtpm, whose TPM begins anew", "[binary][tpm]")
{
    if (!can_have_tpm()) return;
    Folder const folder;
    auto const control = folder.path("control");
    Process process{run(folder.path("state"), {"--jail", "on", "--on-reboot", "restart", "--control", control},
                        "say:up await:go reset")};
    process.await_output("up\n");
    auto const first = swtpm_in(folder.path("state"));
    process.type("go\n");
    process.await_output("up\nup\n");
    CHECK(swtpm_in(folder.path("state")).pid == first.pid);
    CHECK_THAT(porthole({"ctl", control, "inspect", "--json"}).out, Contains("\"resets\":2"));
    (void)end(process);
}

TEST_CASE("a TPM that cannot be had is one line, and the guest does not start", "[binary][tpm]")
{
    if (!can_have_tpm()) return;
    Folder const folder;
    auto const outcome = porthole(run(folder.path("missing/state")));
    CHECK(outcome.status == 2);
    CHECK_THAT(outcome.err, Contains("the TPM's folder '" + folder.path("missing/state") + "' cannot be made"));
    CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
    Process process{run(folder.path("state"))};
    process.await_output("up\n");
    CHECK_THAT(porthole(run(folder.path("state"))).err, Contains("is in use by another Porthole or program"));
    (void)end(process);
}
