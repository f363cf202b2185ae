// What a run is confined to while its guest runs, as the kernel tells it of each thread.
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/cli/testing/puppet.hpp"
#include "vmm/host/testing/contains.hpp"
#include "vmm/jail/load_program.hpp"
#include "vmm/jail/privileges.hpp"

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <map>
#include <span>
#include <string>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace {

using namespace vmm::testing;

std::vector<std::string> run(std::vector<std::string> const& more)
{
    std::vector<std::string> arguments{
        "run",    "--kernel", puppet(),         "--memory",  "16M",
        "--cpus", "2",        "--test-devices", "--cmdline", "say:up await-power-button power-off"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

/// The values of a field of /proc/PID/task/*/status, and how many threads have each.
std::map<std::string, unsigned> of_threads(pid_t process, std::string const& field)
{
    std::map<std::string, unsigned> values;
    auto const tasks = std::filesystem::path{"/proc"} / std::to_string(process) / "task";
    for (auto const& task : std::filesystem::directory_iterator{tasks}) {
        std::ifstream status{task.path() / "status"};
        for (std::string line; std::getline(status, line);)
            if (line.starts_with(field + ":\t")) ++values[line.substr(field.size() + 2)];
    }
    return values;
}

unsigned threads_with(pid_t process, std::string const& field, std::string const& value)
{
    auto const values = of_threads(process, field);
    REQUIRE(values.size() == 1);
    CAPTURE(values.begin()->first);
    return values.contains(value) ? values.at(value) : 0;
}

/// A run in a container that lacks these calls.
Outcome run_without(std::vector<unsigned> const& calls, std::vector<std::string> const& more)
{
    std::vector<sock_filter> program{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr))};
    for (auto const call : calls) {
        program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 1));
        program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    auto const confine = [&] {
        vmm::jail::forbid_new_privileges();
        vmm::jail::load_program(std::as_bytes(std::span{program}));
    };
    std::vector<std::string> arguments{"run", "--kernel", puppet(), "--memory", "16M", "--cmdline", "power-off"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Process{arguments, {.before = confine}}.end();
}

} // namespace

TEST_CASE("all threads of a run are filtered, and have no privileges", "[binary][jail]")
{
    if (!can_run()) return;
    Folder const folder;
    Process process{run({"--jail", "on", "--disk", folder.file("disk", std::string(4096, '\0')), "--net", "user"})};
    process.await_output("up\n");
    CHECK(threads_with(process.pid(), "Seccomp", "2") >= 6); // session, events, lines, disk ring, card, vCPUs
    CHECK(threads_with(process.pid(), "NoNewPrivs", "1") >= 6);
    CHECK(threads_with(process.pid(), "CapEff", "0000000000000000") >= 6);
    CHECK(threads_with(process.pid(), "CapPrm", "0000000000000000") >= 6);
    process.signal(SIGTERM);
    CHECK(process.end().status == 0);
}

TEST_CASE("a run without a jail, or with some of it, is what it says", "[binary][jail]")
{
    if (!can_run()) return;
    Process off{run({"--jail", "off"})};
    off.await_output("up\n");
    CHECK(threads_with(off.pid(), "Seccomp", "0") != 0);
    CHECK(threads_with(off.pid(), "NoNewPrivs", "0") != 0);
    off.signal(SIGTERM);
    CHECK(off.end().status == 0);

    Process some{run({"--jail", "privileges"})};
    some.await_output("up\n");
    CHECK(threads_with(some.pid(), "Seccomp", "0") != 0);
    CHECK(threads_with(some.pid(), "NoNewPrivs", "1") != 0);
    some.signal(SIGTERM);
    CHECK(some.end().status == 0);
}

TEST_CASE("who cannot become what was asked for says so in one line", "[binary][jail]")
{
    if (!can_run()) return;
    if (::geteuid() != 0) return check_is_one_complaint(porthole(run({"--user", "0"})), "--user needs root");
    check_is_one_complaint(porthole(run({"--user", "no-such-user"})), "there is no user 'no-such-user'");
    check_is_one_complaint(porthole(run({"--user", "0:no-such-group"})), "there is no group 'no-such-group'");
    check_is_one_complaint(porthole(run({"--chroot", "/nowhere"})), "--chroot /nowhere: No such file");
    check_is_one_complaint(porthole(run({"--netns", "none-here"})), "ip netns add none-here");
    check_is_one_complaint(porthole(run({"--cgroup", "none/here"})), "/sys/fs/cgroup/none/here/cgroup.procs");
    Folder const folder;
    check_is_one_complaint(porthole(run({"--chroot", folder.path(".")})), "mknod");
    check_is_one_complaint(porthole(run({"--chroot", folder.path("."), "--net", "user"})), "mount -t proc");
    check_is_one_complaint(porthole(run({"--netns", folder.file("file", "")})), "name a network namespace");
    check_is_one_complaint(porthole(run({"--allow", folder.path("none")})), "name a folder");
    struct stat kvm {};
    if (::stat("/dev/kvm", &kvm) != 0 || (kvm.st_mode & S_IROTH) != 0) return;
    check_is_one_complaint(porthole(run({"--user", "65534:65534"})), "setfacl -m u:65534:rw /dev/kvm");
}

TEST_CASE("root's run becomes the user that was asked for, below the folder that was", "[binary][jail]")
{
    struct stat kvm {};
    if (!can_run() || ::geteuid() != 0 || ::stat("/dev/kvm", &kvm) != 0) return;
    Folder const folder;
    std::filesystem::create_directory(folder.path("dev"));
    std::filesystem::permissions(folder.path("."), std::filesystem::perms{0755});
    auto const device = folder.path("dev/kvm");
    if (::mknod(device.c_str(), S_IFCHR, kvm.st_rdev) != 0) return; // a container that gives root less
    ::chmod(device.c_str(), 0666);
    std::filesystem::copy_file(puppet(), folder.path("kernel"));
    Process process{{"run", "--kernel", "/kernel", "--memory", "16M", "--test-devices", "--cmdline",
                     "say:up await-power-button power-off", "--jail", "on", "--chroot", folder.path("."), "--user",
                     "65534:65534"}};
    process.await_output("up\n");
    CHECK(threads_with(process.pid(), "Uid", "65534\t65534\t65534\t65534") != 0);
    CHECK(threads_with(process.pid(), "Gid", "65534\t65534\t65534\t65534") != 0);
    CHECK(threads_with(process.pid(), "CapBnd", "0000000000000000") != 0);
    process.signal(SIGTERM);
    CHECK(process.end().status == 0);
}

TEST_CASE("in a container that has less a run says what it goes without", "[binary][jail]")
{
    if (!can_run()) return;
    auto const check = [](std::vector<unsigned> const& calls, std::string const& missing) {
        auto const goes_without = run_without(calls, {"--jail", "on"});
        CHECK(goes_without.status == 0);
        CHECK(goes_without.err == "porthole: warning: this kernel, or the container, has no " + missing +
                                      ": the jail goes without (--jail chooses its layers)\n");
        check_is_one_complaint(run_without(calls, {"--jail", "strict"}),
                               "has no " + missing + ": see porthole doctor");
    };
    check({SYS_landlock_create_ruleset}, "landlock");
    check({SYS_seccomp}, "seccomp filters");
    check({SYS_seccomp, SYS_landlock_create_ruleset}, "seccomp filters and landlock");
    auto const chosen = run_without({SYS_landlock_create_ruleset}, {"--jail", "privileges,seccomp,strict"});
    CHECK(chosen.status == 0);
    CHECK(chosen.err.empty());
}
