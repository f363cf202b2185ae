#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/cli/command_line.hpp"
#include "vmm/host/testing/contains.hpp"

#include <array>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace {

using Catch::Matchers::StartsWith;
using vmm::testing::Contains;

constexpr std::array<std::string_view, 2> privileges{"create-port", "connect-port"};
constexpr std::array<std::string_view, 3> features{"synic", "stimer", "reference-tsc"};
constexpr vmm::KnownNames known{privileges, features};

vmm::Command parse(std::vector<char const*> const& arguments)
{
    return vmm::parse_command_line(arguments, known);
}

/// Parses `porthole run --kernel k` and what else is given.
vmm::RunOptions run(std::vector<char const*> const& more)
{
    std::vector<char const*> arguments{"run", "--kernel", "k"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return std::get<vmm::RunOptions>(parse(arguments));
}

std::string complaint(std::vector<char const*> const& arguments)
{
    try {
        (void)parse(arguments);
    } catch (vmm::UserError const& e) {
        return e.what();
    }
    return "(accepted)";
}

std::string run_complaint(std::vector<char const*> const& more)
{
    std::vector<char const*> arguments{"run", "--kernel", "k"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return complaint(arguments);
}

} // namespace

TEST_CASE("a kernel alone gives the defaults", "[cli]")
{
    auto const options = run({});
    CHECK(options.guests.at(0).kernel == "k");
    CHECK(options.guests.at(0).initrd.empty());
    CHECK(options.guests.at(0).memory == 512U << 20);
    CHECK(options.guests.at(0).cpus == 1);
    CHECK(options.guests.at(0).serial == vmm::SerialTarget{});
    CHECK(options.guests.at(0).on_reboot == vmm::OnReboot::Exit);
    CHECK(options.guests.at(0).triple_fault_policy() == vmm::OnTripleFault::End);
    CHECK(options.guests.at(0).on_crash == vmm::OnCrash::Continue);
    CHECK(options.guests.at(0).rtc == vmm::RtcTime::Utc);
    CHECK_FALSE(options.guests.at(0).nested);
    CHECK(options.guests.at(0).hyperv == vmm::HypervMode::Auto);
    CHECK_FALSE(options.guests.at(0).test_devices);
    CHECK_FALSE(options.trace.any());
    CHECK(options.log_level == "warning");
}

TEST_CASE("a triple fault resets a guest that restarts, and ends others, unless told otherwise", "[cli]")
{
    auto const policy = [](std::vector<char const*> const& more) {
        return run(more).guests.at(0).triple_fault_policy();
    };
    CHECK(policy({"--on-reboot", "restart"}) == vmm::OnTripleFault::Reset);
    CHECK(policy({"--on-reboot", "exit"}) == vmm::OnTripleFault::End);
    CHECK(policy({"--on-triple-fault", "reset"}) == vmm::OnTripleFault::Reset);
    CHECK(policy({"--on-triple-fault=end", "--on-reboot", "restart"}) == vmm::OnTripleFault::End);
}

TEST_CASE("every option of run arrives in its field", "[cli]")
{
    auto const options = run({"--initrd",
                              "i",
                              "--cmdline",
                              "console=ttyS0 quiet",
                              "--memory",
                              "4G",
                              "--cpus=16",
                              "--serial",
                              "file:out.txt",
                              "--on-reboot",
                              "restart",
                              "--on-triple-fault",
                              "end",
                              "--on-crash",
                              "end",
                              "--rtc",
                              "localtime",
                              "--nested",
                              "--privileges",
                              "create-port,-connect-port,+connect-port",
                              "--hv-features",
                              "-stimer,+synic,reference-tsc",
                              "--hyperv",
                              "user",
                              "--test-devices",
                              "--pool",
                              "16M",
                              "--children",
                              "vps=16,partitions=8",
                              "--vsock",
                              "guest.vsock",
                              "--trace",
                              "hypercall,irq=t.txt",
                              "--log-level",
                              "debug",
                              "--log-file",
                              "l.txt"});

    CHECK(options.guests.at(0).initrd == "i");
    CHECK(options.guests.at(0).cmdline == "console=ttyS0 quiet");
    CHECK(options.guests.at(0).memory == std::uint64_t{4} << 30);
    CHECK(options.guests.at(0).cpus == 16);
    CHECK(options.guests.at(0).serial == vmm::SerialTarget{vmm::SerialTarget::Kind::File, "out.txt"});
    CHECK(options.guests.at(0).on_reboot == vmm::OnReboot::Restart);
    CHECK(options.guests.at(0).triple_fault_policy() == vmm::OnTripleFault::End);
    CHECK(options.guests.at(0).on_crash == vmm::OnCrash::End);
    CHECK(options.guests.at(0).rtc == vmm::RtcTime::Local);
    CHECK(options.guests.at(0).nested);
    CHECK(options.guests.at(0).hyperv == vmm::HypervMode::User);
    CHECK(options.guests.at(0).privileges ==
          std::vector<vmm::RightChange>{{true, "create-port"}, {false, "connect-port"}, {true, "connect-port"}});
    CHECK(options.guests.at(0).hv_features ==
          std::vector<vmm::RightChange>{{false, "stimer"}, {true, "synic"}, {true, "reference-tsc"}});
    CHECK(options.guests.at(0).test_devices);
    CHECK(options.guests.at(0).pool == 16U << 20);
    CHECK(options.guests.at(0).children == vmm::ChildrenOptions{8, 16});
    CHECK(options.guests.at(0).vsock == "guest.vsock");
    CHECK(options.trace == vmm::TraceOptions{true, false, false, true, "t.txt"});
    CHECK(options.log_level == "debug");
    CHECK(options.log_file == "l.txt");
}

TEST_CASE("a value may begin with a dash, hold an equals sign or be empty", "[cli]")
{
    CHECK(run({"--cmdline", "-v --memory"}).guests.at(0).cmdline == "-v --memory");
    CHECK(run({"--cmdline=root=/dev/sda x=y"}).guests.at(0).cmdline == "root=/dev/sda x=y");
    CHECK(run({"--cmdline", ""}).guests.at(0).cmdline.empty());
    CHECK(run({"--cmdline=", "--cpus", "2"}).guests.at(0).cpus == 2);
    CHECK(run({"--hv-features", "-synic"}).guests.at(0).hv_features.size() == 1);
    CHECK(run({"--privileges", "-create-port"}).guests.at(0).privileges ==
          std::vector<vmm::RightChange>{{false, "create-port"}});
    CHECK(run({"--hv-features=-synic"}).guests.at(0).hv_features == std::vector<vmm::RightChange>{{false, "synic"}});
}

TEST_CASE("a serial port's other end is one of five things", "[cli]")
{
    using Kind = vmm::SerialTarget::Kind;
    auto const serial = [](char const* text) { return run({"--serial", text}).guests.at(0).serial; };
    CHECK(serial("stdio") == vmm::SerialTarget{Kind::Stdio, {}});
    CHECK(serial("lines") == vmm::SerialTarget{Kind::Lines, {}});
    CHECK(serial("pty") == vmm::SerialTarget{Kind::Pty, {}});
    CHECK(serial("none") == vmm::SerialTarget{Kind::None, {}});
    CHECK(serial("file:pty") == vmm::SerialTarget{Kind::File, "pty"});
}

TEST_CASE("lists add up, other options count as given last", "[cli]")
{
    auto const options = run({"--cpus", "2", "--privileges", "create-port", "--cpus", "3", "--privileges",
                              "connect-port", "--hv-features", "-synic", "--hv-features", "synic"});
    CHECK(options.guests.at(0).cpus == 3);
    CHECK(options.guests.at(0).privileges.size() == 2);
    CHECK(options.guests.at(0).hv_features == std::vector<vmm::RightChange>{{false, "synic"}, {true, "synic"}});
}

TEST_CASE("memory may have a most", "[cli]")
{
    CHECK(run({"--memory", "1G"}).guests.at(0).most_memory == 0);
    auto const guest = run({"--memory", "1G,max=4G"}).guests.at(0);
    CHECK(guest.memory == std::uint64_t{1} << 30);
    CHECK(guest.most_memory == std::uint64_t{4} << 30);
    CHECK(run({"--memory", "1G,max=1024M"}).guests.at(0).most_memory == std::uint64_t{1} << 30);

    CHECK_THAT(run_complaint({"--memory", "1G,max=512M"}), Contains("'max=512M' is less") && Contains("1G"));
    CHECK_THAT(run_complaint({"--memory", "1G,min=512M"}), Contains("'min=512M' is not known") && Contains("max="));
    CHECK_THAT(run_complaint({"--memory", "1G,max="}), Contains("not a size"));
    CHECK_THAT(run_complaint({"--memory", "1G,"}), Contains("'' is not known"));
    CHECK_THAT(run_complaint({"--memory", "max=1G"}), Contains("not a size"));
}

TEST_CASE("memory is a whole number with a unit, and enough of it", "[cli]")
{
    CHECK(run({"--memory", "16M"}).guests.at(0).memory == 16U << 20);
    CHECK(run({"--memory", "20480k"}).guests.at(0).memory == 20U << 20);
    CHECK(run({"--memory", "1T"}).guests.at(0).memory == std::uint64_t{1} << 40);

    CHECK_THAT(run_complaint({"--memory", "512"}), Contains("no unit") && Contains("512M"));
    CHECK_THAT(run_complaint({"--memory", "15M"}), Contains("too little") && Contains("16M"));
    CHECK_THAT(run_complaint({"--memory", "0G"}), Contains("too little"));
    CHECK_THAT(run_complaint({"--memory", "20481K"}), Contains("pages"));
    CHECK_THAT(run_complaint({"--memory", "17000000T"}), Contains("more than any machine"));
    CHECK_THAT(run_complaint({"--memory", "99999999999999999999G"}), Contains("not a size"));
    for (auto const* const text : {"", "M", "12Q", "-1G", "1.5G", "1 G", "0x10M", "4GB"})
        CHECK_THAT(run_complaint({"--memory", text}), StartsWith("--memory: '") && Contains("not a size"));
}

TEST_CASE("the number of processors has limits", "[cli]")
{
    CHECK(run({"--cpus", "254"}).guests.at(0).cpus == 254);
    CHECK(run({"--cpus", "8,sockets=2,threads=2"}).guests.at(0).topology == vmm::CpuTopology{2, 2});
    for (auto const* const text : {"0", "255", "-1", "two", "4294967297", "2.0"})
        CHECK_THAT(run_complaint({"--cpus", text}), Contains("--cpus: '") && Contains("use 1 to 254"));
}

TEST_CASE("a guest's children are limited in partitions and in processors", "[cli]")
{
    auto const with = [](char const* value) { return complaint({"run", "--kernel", "k", "--children", value}); };
    CHECK_THAT(with("partitions=257,vps=1"), StartsWith("--children: 'partitions=257'") && Contains("1 to 256"));
    CHECK_THAT(with("vps=257,partitions=1"), StartsWith("--children: 'vps=257'") && Contains("1 to 256"));
    CHECK_THAT(with("partitions=0,vps=1"), StartsWith("--children: 'partitions=0'"));
    CHECK_THAT(with("partitions=1"), StartsWith("--children: 'partitions=1' says too little"));
    CHECK_THAT(with("partitions=1,vps"), StartsWith("--children: 'vps' is not a possible number"));
    CHECK_THAT(with("partitions=1,vps=1,threads=2"), StartsWith("--children: 'threads=2' is not known"));
    CHECK_THAT(with(""), StartsWith("--children: "));
}

TEST_CASE("a name that nobody knows is answered with those that are known", "[cli]")
{
    CHECK_THAT(run_complaint({"--privileges", "create-port,fly"}),
               Contains("'fly'") && Contains("create-port, connect-port"));
    CHECK_THAT(run_complaint({"--privileges", "-fly"}), Contains("'fly'") && Contains("create-port, connect-port"));
    CHECK_THAT(run_complaint({"--hv-features", "+fly"}), Contains("'fly'") && Contains("synic, stimer"));
    CHECK_THAT(run_complaint({"--hv-features", "synic,,stimer"}), Contains("''"));
    CHECK_THAT(run_complaint({"--trace", "msr,fly"}), Contains("'fly'"));
    CHECK_THAT(run_complaint({"--trace", "msr="}), Contains("names no file"));
    CHECK_THAT(run_complaint({"--serial", "tcp:1"}), Contains("stdio, lines, pty, file:PATH or none"));
    CHECK_THAT(run_complaint({"--serial", "file:"}), Contains("stdio, lines, pty, file:PATH or none"));
    CHECK_THAT(run_complaint({"--on-reboot", "halt"}), Contains("exit or restart"));
    CHECK_THAT(run_complaint({"--on-triple-fault", "restart"}), Contains("reset or end"));
    CHECK_THAT(run_complaint({"--on-crash", "reset"}), Contains("continue or end"));
    CHECK_THAT(run_complaint({"--rtc", "local"}), Contains("utc or localtime"));
    CHECK_THAT(run_complaint({"--hyperv", "kernel"}), Contains("'kernel'") && Contains("auto, user or hybrid"));
    CHECK_THAT(run_complaint({"--log-level", "loud"}), Contains("use trace, debug"));
}

TEST_CASE("a usage error is one line that names the argument", "[cli]")
{
    CHECK_THAT(complaint({}), Contains("porthole run"));
    CHECK_THAT(complaint({"run"}), StartsWith("--kernel is missing"));
    CHECK_THAT(complaint({"run", "--kernel", ""}), StartsWith("--kernel is missing"));
    CHECK_THAT(complaint({"fly"}), Contains("'fly'"));
    CHECK_THAT(complaint({"--fly"}), Contains("'--fly'"));
    CHECK_THAT(run_complaint({"--fly", "high"}), Contains("unknown option '--fly'") && Contains("run --help"));
    CHECK_THAT(run_complaint({"stray"}), Contains("unexpected argument 'stray'"));
    CHECK_THAT(run_complaint({"--memory"}), StartsWith("--memory needs a value"));
    CHECK_THAT(run_complaint({"--memory", "--cpus", "2"}), StartsWith("--memory needs a value"));
    CHECK_THAT(run_complaint({"--privileges"}), StartsWith("--privileges needs a value"));
    CHECK_THAT(complaint({"doctor", "--fly"}), Contains("'--fly'"));
    CHECK_THAT(complaint({"doctor", "run"}), Contains("'run'"));

    for (auto const& text : {run_complaint({"--fly\nhigh"}), run_complaint({"--serial", "a\nb"})})
        CHECK(text.find('\n') == std::string::npos);
}

TEST_CASE("the layers of the jail are chosen, and what it lets in", "[cli][jail]")
{
    auto const jail = [](std::vector<char const*> more) {
        more.insert(more.begin(), {"run", "--kernel", "k"});
        return std::get<vmm::RunOptions>(parse(more)).jail;
    };
    vmm::JailOptions const all{.privileges = true, .seccomp = true, .landlock = true};
    CHECK(jail({}) == all);
    CHECK(jail({"--jail", "on"}) == all);
    CHECK(jail({"--jail", "strict"}) ==
          vmm::JailOptions{.privileges = true, .seccomp = true, .landlock = true, .strict = true});
    CHECK(jail({"--jail", "off"}) == vmm::JailOptions{});
    CHECK(jail({"--jail", "seccomp,strict"}) == vmm::JailOptions{.seccomp = true, .strict = true});
    CHECK(jail({"--jail", "off", "--jail", "landlock,privileges"}) ==
          vmm::JailOptions{.privileges = true, .landlock = true});
    CHECK(jail({"--jail", "off", "--allow", "a", "--allow", "nbd", "--user", "u:g", "--chroot", "/c", "--netns", "n",
                "--cgroup", "x"}) ==
          vmm::JailOptions{.folders = {"a", "nbd"}, .user = "u:g", .chroot = "/c", .netns = "n", .cgroup = "x"});

    CHECK_THAT(complaint({"run", "--kernel", "k", "--jail", "soft"}),
               Contains("'soft'") && Contains("privileges, seccomp, landlock"));
    CHECK_THAT(complaint({"run", "--kernel", "k", "--allow", ""}), Contains("--allow"));
    CHECK_THAT(complaint({"run", "--kernel", "k", "--user", ""}), Contains("--user"));
}

TEST_CASE("a configuration file takes the place of all options about a guest", "[cli]")
{
    auto const path = std::filesystem::temp_directory_path() / ("cli-" + std::to_string(::getpid()) + ".toml");
    std::ofstream{path} << "[[guest]]\nname = 'a'\nkernel = 'k'\n[[guest]]\nname = 'b'\nkernel = 'k'\n";
    auto const file = path.string();

    auto const options = std::get<vmm::RunOptions>(
        parse({"run", "--config", file.c_str(), "--log-level", "info", "--log-file", "l.txt", "--trace", "msr"}));
    REQUIRE(options.guests.size() == 2);
    CHECK(options.guests[1].name == "b");
    CHECK(options.log_level == "info");
    CHECK(options.log_file == "l.txt");
    CHECK(options.trace.msr);

    auto const with = [&](std::vector<char const*> const& more) {
        std::vector<char const*> arguments{"run", "--config", file.c_str()};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return complaint(arguments);
    };
    using Arguments = std::vector<char const*>;
    for (auto const& more : {Arguments{"--kernel", "k"},
                             Arguments{"--initrd", "i"},
                             Arguments{"--module", "m"},
                             Arguments{"--cmdline", "x"},
                             Arguments{"--memory", "1G"},
                             Arguments{"--cpus", "2"},
                             Arguments{"--serial", "pty"},
                             Arguments{"--on-reboot", "exit"},
                             Arguments{"--on-triple-fault", "end"},
                             Arguments{"--on-crash", "end"},
                             Arguments{"--privileges", "create-port"},
                             Arguments{"--hv-features", "synic"},
                             Arguments{"--test-devices"},
                             Arguments{"--pool", "1M"},
                             Arguments{"--vsock", "s"},
                             Arguments{"--disk", "d"},
                             Arguments{"--rtc", "utc"},
                             Arguments{"--nested"},
                             Arguments{"--children", "partitions=1,vps=1"},
                             Arguments{"--display", "offscreen"}})
        CHECK_THAT(with(more), StartsWith("--config and " + std::string{more.front()} + " exclude each other"));
    std::filesystem::remove(path);
    CHECK_THAT(with({}), StartsWith("--config: cannot read '" + file + "'"));
    CHECK_THAT(complaint({"run", "--config"}), StartsWith("--config needs a value"));
}

TEST_CASE("a disk has the format that it is told, or that its name says", "[cli][storage][image]")
{
    using devices::block::ImageFormat;
    auto const formats = run({"--disk", "a.QCOW2", "--disk", "b.img,format=vhd,backing=/bases", "--disk",
                              "c.vhdx,format=raw", "--disk", "nbd://h/e.qcow2"})
                             .guests.at(0)
                             .disks;
    CHECK(formats.at(0).format() == ImageFormat::Qcow2);
    CHECK_FALSE(formats.at(0).told_format);
    CHECK(formats.at(1) == vmm::DiskOptions{.image = "b.img", .told_format = ImageFormat::Vpc, .backing = "/bases"});
    CHECK(formats.at(2).format() == ImageFormat::Raw);
    CHECK(formats.at(3).format() == ImageFormat::Raw);
    CHECK_THAT(run_complaint({"--disk", "a,format=ext4"}), StartsWith("--disk: 'format=ext4' is not known"));
    CHECK_THAT(run_complaint({"--disk", "nbd://h/e,format=raw"}), Contains("is nothing that a server is asked"));
    CHECK_THAT(run_complaint({"--disk", "a.img,backing=/b"}), Contains("is raw, and has no backing file"));
    CHECK_THAT(run_complaint({"--disk", "a.vmdk,backing="}), Contains("names no folder"));
}

TEST_CASE("disks are listed in their order, with their options", "[cli][storage]")
{
    auto const disks = run({"--disk", "a.img", "--disk", "b,,c.img,ro,bus=vmbus", "--disk", "x.iso", "--disk",
                            "plain,dvd,controller=3,serial=S-1"})
                           .guests.at(0)
                           .disks;
    CHECK(disks == std::vector<vmm::DiskOptions>{
                       {.image = "a.img"},
                       {.image = "b,c.img", .read_only = true},
                       {.image = "x.iso", .dvd = true},
                       {.image = "plain", .dvd = true, .controller = 3, .serial = "S-1"},
                   });
    CHECK_THAT(run_complaint({"--disk", ""}), StartsWith("--disk: '' names no image"));
    CHECK_THAT(run_complaint({"--disk", "a,rw"}), StartsWith("--disk: 'rw' is not known"));
    CHECK_THAT(run_complaint({"--disk", "a,"}), StartsWith("--disk: '' is not known"));
    CHECK_THAT(run_complaint({"--disk", "a,bus=ide"}), StartsWith("--disk: 'bus=ide' is not known"));
    CHECK_THAT(run_complaint({"--disk", "a,controller=4"}), StartsWith("--disk: 'controller=4' is no controller"));
    CHECK_THAT(run_complaint({"--disk", "a,serial="}), StartsWith("--disk: 'serial=' is no serial number"));
    CHECK_THAT(run_complaint({"--disk", "a,serial=a b"}), StartsWith("--disk: 'serial=a b' is no serial number"));

    std::vector<char const*> many;
    for (unsigned i = 0; i < 64; ++i)
        many.insert(many.end(), {"--disk", "a"});
    CHECK(run(many).guests.at(0).disks.size() == 64);
    many.insert(many.end(), {"--disk", "b,controller=1"});
    CHECK(run(many).guests.at(0).disks.size() == 65);
    many.insert(many.end(), {"--disk", "a"});
    CHECK_THAT(run_complaint(many), StartsWith("--disk: 'a' is one disk too many"));
}

TEST_CASE("modules are listed in their order, with their command lines", "[cli]")
{
    CHECK(run({"--module", "vmlinuz", "--module", "a,,b,x=1,2 y", "--module", "c,"}).guests.at(0).modules ==
          std::vector<vmm::ModuleOptions>{{"vmlinuz", ""}, {"a,b", "x=1,2 y"}, {"c", ""}});
    CHECK_THAT(run_complaint({"--module", ",x"}), StartsWith("--module: ',x' names no file"));
    std::vector<char const*> many;
    for (unsigned i = 0; i < 31; ++i)
        many.insert(many.end(), {"--module", "a"});
    CHECK(run(many).guests.at(0).modules.size() == 31);
    many.insert(many.end(), {"--module", "a"});
    CHECK_THAT(run_complaint(many), StartsWith("--module: 'a' is one module too many"));
}
