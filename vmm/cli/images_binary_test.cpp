// Disks of images that are not raw: the qemu-nbd of each comes and goes with the run.
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/cli/testing/puppet.hpp"
#include "vmm/cli/testing/watched.hpp"
#include "vmm/helper/confined_program.hpp"
#include "vmm/host/testing/contains.hpp"

#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace vmm::testing;

bool can_serve()
{
    if (!can_run()) return false;
    if (!vmm::helper::find_program("qemu-nbd").empty() && !vmm::helper::find_program("qemu-img").empty()) return true;
    WARN("needs qemu-utils");
    return false;
}

/// An image of 8 MiB.
std::string image(Folder const& folder, std::string const& name, std::string const& format = "qcow2")
{
    auto const path = folder.path(name);
    REQUIRE(shell("qemu-img create -q -f " + format + " '" + path + "' 8M").status == 0);
    return path;
}

std::vector<std::string> run(std::vector<std::string> const& more, std::string const& cmdline = "say:up halt")
{
    std::vector<std::string> arguments{"run", "--kernel",       puppet(),    "--memory",
                                       "16M", "--test-devices", "--cmdline", cmdline};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

/// Those that serve an image.
std::vector<pid_t> servers_of(std::string const& path)
{
    std::vector<pid_t> found;
    for (auto const& entry : std::filesystem::directory_iterator{"/proc"}) {
        auto const name = entry.path().filename().string();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        auto const command = text_of(entry.path() / "cmdline");
        if (command.starts_with("qemu-nbd") && command.find(path) != std::string::npos)
            found.push_back(std::stoi(name));
    }
    return found;
}

Watched server_of(std::string const& path)
{
    auto const found = servers_of(path);
    REQUIRE(found.size() == 1);
    return Watched{found[0]};
}

std::size_t count(std::string const& text, std::string const& part)
{
    std::size_t times = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++times;
    return times;
}

} // namespace

TEST_CASE("an image's qemu-nbd is confined, and ends with the guest", "[binary][image]")
{
    if (!can_serve()) return;
    auto const* const jail = GENERATE("on", "off");
    Folder const folder;
    auto const path = image(folder, "disk.qcow2");
    Process process{run({"--jail", jail, "--disk", path}, "say:up await-power-button power-off")};
    process.await_output("up\n");
    auto const server = server_of(path);
    CHECK(server.status("Seccomp") == "2");
    CHECK(server.status("NoNewPrivs") == "1");
    constexpr unsigned long long to_open_files =
        6; // CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: what root opens images by
    CHECK((std::stoull(server.status("CapEff"), nullptr, 16) & ~to_open_files) == 0);
    process.signal(SIGTERM);
    CHECK(process.end().status == 0);
    CHECK(server.ends());
}

TEST_CASE("a qemu-nbd that is killed is said once, and Porthole is in control", "[binary][image]")
{
    if (!can_serve()) return;
    Folder const folder;
    auto const path = image(folder, "disk.qcow2");
    auto const control = folder.path("control");
    Process process{run({"--control", control, "--allow", folder.path("."), "--disk", path})};
    process.await_output("up\n");
    auto const server = server_of(path);
    ::kill(server.pid, SIGKILL);
    process.await_error("disk '" + path + "' has lost its qemu-nbd, which was ended by signal 9 (Killed)");
    CHECK(porthole({"ctl", control, "status"}).status == 0);
    CHECK_THAT(porthole({"ctl", control, "inspect"}).out, Contains("lost_connections"));

    CHECK(porthole({"ctl", control, "disk-remove", "0", "0"}).status == 0);
    CHECK(porthole({"ctl", control, "disk-add", path}).status == 0);
    auto const another = server_of(path);
    CHECK(porthole({"ctl", control, "disk-remove", "0", "0"}).status == 0);
    CHECK(another.ends());
    CHECK(count(end(process).err, "has lost its qemu-nbd") == 1);
}

TEST_CASE("a Porthole that is killed leaves nobody behind, and the image in order", "[binary][image]")
{
    if (!can_serve()) return;
    Folder const folder;
    auto const path = image(folder, "disk.qcow2");
    std::optional<Watched> server;
    std::optional<Watched> supervisor;
    {
        Process process{run({"--disk", path})};
        process.await_output("up\n");
        server.emplace(server_of(path));
        supervisor.emplace(std::stoi(server->status("PPid")));
        process.signal(SIGKILL);
        (void)process.end();
    }
    CHECK(server->ends());
    CHECK(supervisor->ends());
    CHECK(shell("qemu-img check -q '" + path + "'").status == 0);
}

TEST_CASE("who watches a qemu-nbd takes it along", "[binary][image]")
{
    if (!can_serve()) return;
    Folder const folder;
    auto const path = image(folder, "disk.qcow2");
    Process process{run({"--disk", path})};
    process.await_output("up\n");
    auto const server = server_of(path);
    ::kill(std::stoi(server.status("PPid")), SIGKILL);
    CHECK(server.ends());
    process.await_error("has lost its qemu-nbd, which is not watched any more");
    CHECK(end(process).status >= 128);
}

TEST_CASE("a guest that starts anew has its images again, and one qemu-nbd each", "[binary][image]")
{
    if (!can_serve()) return;
    Folder const folder;
    auto const one = image(folder, "one.qcow2");
    auto const two = image(folder, "two.vhdx", "vhdx");
    Process process{run({"--on-reboot", "restart", "--disk", one, "--disk", two + ",ro"}, "say:up await:go reset")};
    process.await_output("up\n");
    auto const first = server_of(one);
    process.type("go\n");
    CHECK(first.ends());
    process.await_output("up\nup\n");
    CHECK(server_of(one).pid != first.pid);
    CHECK(servers_of(two).size() == 1);
    (void)end(process);
}

TEST_CASE("an image that cannot be served is one line, and nothing is started", "[binary][image]")
{
    if (!can_serve()) return;
    Folder const folder;
    auto const path = image(folder, "disk.qcow2");
    auto const check = [](std::string const& disk, std::string const& about) {
        check_is_one_complaint(porthole(run({"--disk", disk})), about);
    };
    check(image(folder, "hidden.img"), "looks like a qcow2 image, and its name says nothing of it");
    check(folder.file("zero.qcow2", std::string(4096, '\0')), "looks like a raw image, though its name says qcow2");
    check(folder.path("none.vhdx"), "does not exist");
    check(path + ",format=vhdx", "cannot be used as vhdx: ");
    check(path + ",format=vdi", "use raw, qcow2, vhdx, vpc (VHD) or vmdk");
    check("nbd://host/export,format=qcow2", "is nothing that a server is asked");
    check(folder.path("disk.img") + ",backing=/", "is raw, and has no backing file");
    check(path + ",backing=", "names no folder");

    Process holder{run({"--disk", path})};
    holder.await_output("up\n");
    check(path, "is in use by another Porthole or program");
    (void)end(holder);
    CHECK(porthole(run({"--disk", path + ",format=qcow2"}, "power-off")).status == 0);
}

TEST_CASE("the jail lets images be added as they may be opened", "[binary][image][control]")
{
    if (!can_serve()) return;
    Folder const folder;
    Folder const outside;
    auto const path = image(folder, "disk.vmdk", "vmdk");
    auto const stranger = image(outside, "disk.qcow2");
    auto const raw = folder.file("raw.img", std::string(4096, '\0'));
    auto const control = folder.path("control");
    auto const refusal = [&](std::string const& disk) { return porthole({"ctl", control, "disk-add", disk}).err; };
    Process process{run({"--control", control, "--allow", folder.path("."), "--disk", raw})};
    process.await_output("up\n");
    CHECK(porthole({"ctl", control, "disk-add", path}).status == 0);
    CHECK(server_of(path).is_there());
    CHECK_THAT(refusal(stranger), Contains("the jail does not let"));
    CHECK_THAT(refusal(path + ",backing=" + outside.path(".")), Contains("is not what this run was allowed"));
    (void)end(process);

    Process narrow{run({"--control", control, "--disk", raw})};
    narrow.await_output("up\n");
    CHECK_THAT(refusal(raw + ",format=qcow2"), Contains("the jail does not let"));
    (void)end(narrow);
}
