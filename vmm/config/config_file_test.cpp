/// The configuration file: what it says arrives, and whatever is wrong is one line with its place.
#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/config/config_file.hpp"
#include "vmm/host/testing/contains.hpp"

#include <array>
#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace {

using Catch::Matchers::StartsWith;
using vmm::GuestOptions;
using vmm::ReadySignal;
using vmm::SerialTarget;
using vmm::testing::Contains;

constexpr std::array<std::string_view, 2> privileges{"create-port", "connect-port"};
constexpr std::array<std::string_view, 3> features{"synic", "stimer", "reference-tsc"};
constexpr vmm::KnownNames known{privileges, features};

std::vector<GuestOptions> parse(std::string_view text, std::string const& path = "lab.toml")
{
    return vmm::parse_config(text, path, known);
}

/// What is said of a file, on one line.
std::string complaint(std::string_view text)
{
    try {
        (void)parse(text);
    } catch (vmm::UserError const& e) {
        std::string const said = e.what();
        CHECK(said.find('\n') == std::string::npos);
        return said;
    }
    return "(accepted)";
}

/// What is said of a guest with this as its third line, after its name and its kernel.
std::string complaint_about(std::string_view line)
{
    return complaint("[[guest]]\nname = 'a'\nkernel = 'k'\n" + std::string{line} + "\n");
}

/// A guest that has what is required.
std::string guest(std::string const& name, std::string const& more = {})
{
    return "[[guest]]\nname = '" + name + "'\nkernel = 'k'\n" + more + "\n";
}

} // namespace

TEST_CASE("a name and a kernel are enough for a guest", "[config]")
{
    auto const guests = parse(guest("only"));
    REQUIRE(guests.size() == 1);
    auto const& only = guests.front();
    GuestOptions const defaults;
    CHECK(only.name == "only");
    CHECK(only.kernel == "k");
    CHECK(only.initrd.empty());
    CHECK(only.cmdline.empty());
    CHECK(only.memory == defaults.memory);
    CHECK(only.cpus == defaults.cpus);
    CHECK(only.serial == defaults.serial); // as on the command line: standard input and output
    CHECK(only.on_reboot == defaults.on_reboot);
    CHECK_FALSE(only.on_triple_fault);
    CHECK(only.on_crash == defaults.on_crash);
    CHECK(only.rtc == defaults.rtc);
    CHECK_FALSE(only.nested);
    CHECK(only.privileges.empty());
    CHECK(only.hv_features.empty());
    CHECK_FALSE(only.test_devices);
    CHECK(only.pool == std::uint64_t{64} << 20);
    CHECK(only.parent.empty());
    CHECK(only.after.empty());
    CHECK(only.ready == ReadySignal{});
}

constexpr auto every_key = R"(
# The one that the other waits for.
[[guest]]
name = "server-1"
kernel = "vmlinuz"
initrd = "/boot/initrd.img"
module = ["/boot/ext2fs,--readonly ${root}", "/boot/exec"]
cmdline = "console=ttyS0 quiet"
memory = "1G,max=2G"
cpus = 4
console = "pty"
on-reboot = "restart"
on-triple-fault = "end"
on-crash = "end"
rtc = "localtime"
nested = true
hyperv = "user"
privileges = ["create-port", "-connect-port"]
hv-features = ["-stimer", "+synic", "reference-tsc"]
test-devices = true
pool = "16M"
children = { partitions = 8, vps = 16 }
vsock = "/run/server.vsock"
disk = ["root.img", "data.img,ro,controller=2,serial=abc", "nbd://host/export", "/iso/install.iso"]
parent = "client"
ready = "serial:login: "

[[guest]]
name = "client"
kernel = "vmlinuz"
parent = "root"
after = "server-1"
ready = "synic"
console = "file:out.txt"

[[guest]]
name = "third"
kernel = "vmlinuz"
cmdline = ""
after = ["server-1", "client"]
)";

TEST_CASE("every key of a guest arrives in its field", "[config]")
{
    auto const guests = parse(every_key);
    REQUIRE(guests.size() == 3);
    auto const& server = guests[0];
    CHECK(server.name == "server-1");
    CHECK(server.kernel == "vmlinuz");
    CHECK(server.initrd == "/boot/initrd.img");
    CHECK(server.modules ==
          std::vector<vmm::ModuleOptions>{{"/boot/ext2fs", "--readonly ${root}"}, {"/boot/exec", ""}});
    CHECK(server.cmdline == "console=ttyS0 quiet");
    CHECK(server.memory == std::uint64_t{1} << 30);
    CHECK(server.most_memory == std::uint64_t{2} << 30);
    CHECK(server.cpus == 4);
    CHECK(server.serial == SerialTarget{SerialTarget::Kind::Pty, {}});
    CHECK(server.on_reboot == vmm::OnReboot::Restart);
    CHECK(server.on_triple_fault == vmm::OnTripleFault::End);
    CHECK(server.on_crash == vmm::OnCrash::End);
    CHECK(server.rtc == vmm::RtcTime::Local);
    CHECK(server.nested);
    CHECK(server.hyperv == vmm::HypervMode::User);
    CHECK(server.privileges == std::vector<vmm::RightChange>{{true, "create-port"}, {false, "connect-port"}});
    CHECK(server.hv_features ==
          std::vector<vmm::RightChange>{{false, "stimer"}, {true, "synic"}, {true, "reference-tsc"}});
    CHECK(server.test_devices);
    CHECK(server.pool == 16U << 20);
    CHECK(server.children == vmm::ChildrenOptions{8, 16});
    CHECK(server.vsock == "/run/server.vsock");
    CHECK(server.disks ==
          std::vector<vmm::DiskOptions>{{.image = "root.img"},
                                        {.image = "data.img", .read_only = true, .controller = 2, .serial = "abc"},
                                        {.image = "nbd://host/export"},
                                        {.image = "/iso/install.iso", .dvd = true}});
    CHECK(server.parent == "client"); // which comes later in the file
    CHECK(server.ready == ReadySignal{ReadySignal::Kind::Text, "login: "});

    CHECK(guests[1].parent.empty());
    CHECK(guests[1].after == std::vector<std::string>{"server-1"});
    CHECK(guests[1].ready == ReadySignal{ReadySignal::Kind::Synic, {}});
    CHECK(guests[1].serial == SerialTarget{SerialTarget::Kind::File, "out.txt"});
    CHECK(guests[2].after == std::vector<std::string>{"server-1", "client"});
    CHECK(guests[2].serial == SerialTarget{SerialTarget::Kind::Lines, {}}); // because it is one of several
}

TEST_CASE("relative paths start at the file's folder", "[config]")
{
    auto const text = "[[guest]]\nname = 'a'\nkernel = 'k'\ninitrd = '../i'\nmodule = 'm,x'\nconsole = 'file:c.txt'\n"
                      "disk = ['d.img', 'nbd://h/e', 'q.qcow2,backing=b']\n";
    auto const beside = parse(text, "labs/one/lab.toml").front();
    CHECK(beside.kernel == "labs/one/k");
    CHECK(beside.initrd == "labs/one/../i");
    CHECK(beside.modules.at(0).path == "labs/one/m");
    CHECK(beside.serial.path == "labs/one/c.txt");
    CHECK(beside.disks.at(0).image == "labs/one/d.img");
    CHECK(beside.disks.at(1).image == "nbd://h/e");
    CHECK(beside.disks.at(2).backing == "labs/one/b");
    CHECK(parse("[[guest]]\nname = 'a'\nkernel = '/k'\n", "labs/lab.toml").front().kernel == "/k");
}

TEST_CASE("what is no TOML is said with its place", "[config]")
{
    CHECK_THAT(complaint("[[guest]]\nname = \"a\nkernel = 'k'\n"), StartsWith("lab.toml:2:10: this is not TOML: "));
    CHECK_THAT(complaint("[[guest]]\nname 'a'\n"), StartsWith("lab.toml:2:6: this is not TOML: "));
    CHECK_THAT(complaint("[[guest]]\nname = 'a'\nname = 'b'\n"), StartsWith("lab.toml:3:") && Contains("name"));
    CHECK_THAT(complaint("[[guest\n"), StartsWith("lab.toml:1:8: this is not TOML: "));
    CHECK_THAT(complaint("[\x02"), StartsWith("lab.toml:1:2: this is not TOML: "));
    CHECK_THAT(complaint("file\u018A = 1\n"), StartsWith("lab.toml:1:5: this is not TOML: "));
    CHECK_THAT(complaint("a = 1 \u00E9\n"), StartsWith("lab.toml:1:7: this is not TOML: "));
    CHECK_THAT(complaint(std::string{"[[guest]]\nname = '\xFF'\n"}), StartsWith("lab.toml:2:8: this is not TOML: "));
}

TEST_CASE("a file without guests, or with something else, is refused", "[config]")
{
    CHECK(complaint("") == "lab.toml:1:1: there is no guest: begin one with [[guest]]");
    CHECK(complaint("# nothing\n") == "lab.toml:1:1: there is no guest: begin one with [[guest]]");
    CHECK_THAT(complaint(guest("a") + "[[guests]]\nname = 'b'\n"),
               StartsWith("lab.toml:5:3: there is no key 'guests' here: a guest begins with [[guest]]"));
    CHECK_THAT(complaint("memory = '1G'\n" + guest("a")), StartsWith("lab.toml:1:1: there is no key 'memory' here"));
    CHECK_THAT(complaint("[guest]\nname = 'a'\nkernel = 'k'\n"),
               StartsWith("lab.toml:1:1: this is no guest: begin each with [[guest]], in double brackets"));
    CHECK_THAT(complaint("guest = 3\n"), StartsWith("lab.toml:1:9: this is no guest"));
    CHECK_THAT(complaint("guest = []\n"), StartsWith("lab.toml:1:9: this is no guest"));
    CHECK_THAT(complaint("guest = [1]\n"), StartsWith("lab.toml:1:10: this is no guest"));
}

TEST_CASE("a key that does not exist is answered with those that do", "[config]")
{
    CHECK_THAT(complaint_about("kernal = 'k'"),
               StartsWith("lab.toml:4:1: a guest has no key 'kernal': use name, kernel, firmware, nvram, ") &&
                   Contains("after, ready"));
    CHECK_THAT(complaint_about("  Memory = '1G'"), StartsWith("lab.toml:4:3: a guest has no key 'Memory'"));
    CHECK_THAT(complaint_about("cpus.min = 3"), StartsWith("lab.toml:4:1: cpus: is a table and must be"));
}

TEST_CASE("a guest without a name or a kernel is refused", "[config]")
{
    CHECK(
        complaint(guest("x") + "[[guest]]\nname = 'a'\n") ==
        "lab.toml:5:1: guest 'a' has no kernel: add e.g. kernel = \"vmlinuz\", or firmware = \"auto\", to its keys");
    CHECK(complaint("\n[[guest]]\nkernel = 'k'\n") ==
          "lab.toml:2:1: this guest has no name: add e.g. name = \"server\" to its keys");
    CHECK_THAT(complaint("[[guest]]\n"), StartsWith("lab.toml:1:1: this guest has no name"));
    CHECK_THAT(complaint("[[guest]]\nname = 'a'\nkernel = ''\n"), StartsWith("lab.toml:3:10: kernel: is empty"));
}

TEST_CASE("a guest starts by a firmware instead of a kernel", "[config]")
{
    auto const guests =
        parse("[[guest]]\nname = 'a'\nfirmware = 'x/A_CODE.fd'\nnvram = 'a.nvram'\n", "labs/lab.toml");
    REQUIRE(guests.size() == 1);
    CHECK(guests.front().firmware == vmm::FirmwareOptions{"labs/x/A_CODE.fd", "labs/x/A_VARS.fd"});
    CHECK(guests.front().nvram == "labs/a.nvram");
    CHECK(parse("[[guest]]\nname = 'a'\nfirmware = 'auto'\n").front().firmware.code ==
          "/usr/share/OVMF/OVMF_CODE_4M.fd");
    CHECK_THAT(complaint_about("firmware = 'auto'"), StartsWith("lab.toml:1:1: guest 'a': a guest starts by"));
    CHECK_THAT(complaint_about("nvram = 'x'"), StartsWith("lab.toml:1:1: guest 'a': only a firmware has"));
    CHECK_THAT(complaint("[[guest]]\nname = 'a'\nfirmware = 'auto'\nmemory = '64M'\n"),
               StartsWith("lab.toml:1:1: guest 'a': ") && Contains("128M"));
}

TEST_CASE("names are short words, and 'root' is taken", "[config]")
{
    CHECK_THAT(complaint(guest("root")), StartsWith("lab.toml:2:8: name: 'root' is Porthole itself"));
    CHECK_THAT(complaint(guest("two words")), StartsWith("lab.toml:2:8: name: 'two words' is no name"));
    CHECK_THAT(complaint("[[guest]]\nname = \"a\\nb\"\nkernel = 'k'\n"), StartsWith("lab.toml:2:8: name: 'a b'"));
    CHECK_THAT(complaint("[[guest]]\nname = \"a\\u0000\"\n"), StartsWith("lab.toml:2:8: name: contains a NUL"));
    CHECK_THAT(complaint(guest("")), StartsWith("lab.toml:2:8: name: is empty"));
    CHECK(complaint(guest(std::string(32, 'x'))) == "(accepted)");
    CHECK_THAT(complaint(guest(std::string(33, 'x'))), StartsWith("lab.toml:2:8: name: "));
    CHECK(complaint(guest("a") + guest("b") + guest("a")) ==
          "lab.toml:10:8: name: the guest in line 1 is 'a' already: choose another name");
}

TEST_CASE("a value of the wrong type is said with the right one", "[config]")
{
    CHECK(complaint_about("memory = 512") ==
          "lab.toml:4:10: memory: is a whole number and must be a string: write e.g. memory = \"512M\"");
    CHECK_THAT(complaint_about("cpus = true"),
               StartsWith("lab.toml:4:8: cpus: is true or false and must be a whole number: write e.g. cpus = 2"));
    CHECK_THAT(complaint_about("cpus = 2.0"), StartsWith("lab.toml:4:8: cpus: is a fraction"));
    CHECK_THAT(complaint_about("cpus = 2026-01-01"), StartsWith("lab.toml:4:8: cpus: is a date"));
    CHECK_THAT(complaint_about("test-devices = 'yes'"),
               StartsWith("lab.toml:4:16: test-devices: is a string and must be true or false"));
    CHECK_THAT(complaint_about("privileges = 'create-port'"),
               StartsWith("lab.toml:4:14: privileges: is a string and must be an array"));
    CHECK_THAT(complaint_about("privileges = ['create-port', 3]"),
               StartsWith("lab.toml:4:30: privileges: is a whole number and must be a string"));
    CHECK_THAT(complaint_about("children = 8"),
               StartsWith("lab.toml:4:12: children: is a whole number and must be a table"));
    CHECK_THAT(complaint_about("children = { partitions = '8', vps = 1 }"),
               StartsWith("lab.toml:4:27: partitions: is a string and must be a whole number"));
    CHECK_THAT(complaint_about("console = true"), StartsWith("lab.toml:4:11: console: is true or false"));
    CHECK_THAT(complaint_about("after = {a = 1}"), StartsWith("lab.toml:4:9: after: is a table"));
    CHECK_THAT(complaint_about("after = [['a']]"), StartsWith("lab.toml:4:10: after: is an array"));
}

TEST_CASE("a value out of range is said with the range", "[config]")
{
    CHECK_THAT(complaint_about("cpus = 0"),
               StartsWith("lab.toml:4:8: cpus: '0' is not a possible number") && Contains("1 to 254"));
    CHECK_THAT(complaint_about("cpus = 255"), StartsWith("lab.toml:4:8: cpus: '255'"));
    CHECK_THAT(complaint_about("cpus = -9223372036854775808"), StartsWith("lab.toml:4:8: cpus: "));
    CHECK_THAT(complaint_about("memory = '8M'"), StartsWith("lab.toml:4:10: memory: '8M' is too little"));
    CHECK_THAT(complaint_about("memory = '1G,max=512M'"), StartsWith("lab.toml:4:10: memory: 'max=512M' is less"));
    CHECK_THAT(complaint_about("memory = '512'"), StartsWith("lab.toml:4:10: memory: '512' has no unit"));
    CHECK_THAT(complaint_about("memory = '99999999T'"), StartsWith("lab.toml:4:10: memory: "));
    CHECK_THAT(complaint_about("pool = '15K'"), StartsWith("lab.toml:4:8: pool: '15K' is not a possible pool"));
    CHECK_THAT(complaint_about("pool = '65G'"), StartsWith("lab.toml:4:8: pool: '65G'"));
    CHECK_THAT(complaint_about("children = { partitions = 257, vps = 1 }"),
               StartsWith("lab.toml:4:12: children: 'partitions=257' is not a possible number") &&
                   Contains("1 to 256"));
    CHECK_THAT(complaint_about("vsock = '/" + std::string(96, 's') + "'"),
               StartsWith("lab.toml:4:9: vsock: '/sss") && Contains("1 to 96 bytes"));
    CHECK(complaint_about("vsock = '/" + std::string(95, 's') + "'") == "(accepted)");
    CHECK(complaint_about("pool = '16K'") == "(accepted)");
    CHECK(complaint_about("pool = '64G'") == "(accepted)");
    CHECK_THAT(complaint_about("console = 'tcp:1'"), StartsWith("lab.toml:4:11: console: 'tcp:1'"));
    CHECK_THAT(complaint_about("on-reboot = 'never'"), StartsWith("lab.toml:4:13: on-reboot: 'never'"));
    CHECK_THAT(complaint_about("on-triple-fault = 'exit'"),
               StartsWith("lab.toml:4:19: on-triple-fault: 'exit' is not known: use reset or end"));
    CHECK_THAT(complaint_about("on-crash = 'dump'"),
               StartsWith("lab.toml:4:12: on-crash: 'dump' is not known: use continue or end"));
    CHECK_THAT(complaint_about("rtc = 'local'"),
               StartsWith("lab.toml:4:7: rtc: 'local' is not known: use utc or localtime"));
    CHECK_THAT(complaint_about("ready = 'soon'"), StartsWith("lab.toml:4:9: ready: 'soon' is not a ready signal"));
    CHECK_THAT(complaint_about("ready = 'serial:'"), StartsWith("lab.toml:4:9: ready: 'serial:'"));
    auto const text = [](std::size_t size) { return "ready = 'serial:" + std::string(size, 'x') + "'"; };
    CHECK(complaint_about(text(ReadySignal::longest_text)) == "(accepted)");
    CHECK_THAT(complaint_about(text(ReadySignal::longest_text + 1)), Contains("is too long"));
}

TEST_CASE("privileges and features that do not exist are answered with those that do", "[config]")
{
    CHECK(complaint_about("privileges = ['create-port', 'creat-port']") ==
          "lab.toml:4:30: privileges: 'creat-port' is not known: use create-port, connect-port");
    CHECK(complaint_about("privileges = ['-creat-port']") ==
          "lab.toml:4:15: privileges: 'creat-port' is not known: use create-port, connect-port");
    CHECK(complaint_about("hv-features = ['-synik']") ==
          "lab.toml:4:16: hv-features: 'synik' is not known: use synic, stimer, reference-tsc");
    CHECK_THAT(complaint_about("privileges = ['']"), StartsWith("lab.toml:4:15: privileges: is empty"));
}

TEST_CASE("a parent is the root or another guest, and no guest is its own ancestor", "[config]")
{
    CHECK(complaint(guest("a") + guest("b", "parent = 'c'")) ==
          "lab.toml:8:10: parent: there is no guest 'c': use root, a, b");
    CHECK_THAT(complaint(guest("a", "parent = 'a'")), StartsWith("lab.toml:4:10: parent: a cycle: a -> a: "));
    CHECK(complaint(guest("x") + guest("a", "parent = 'c'") + guest("b", "parent = 'a'") +
                    guest("c", "parent = 'b'")) ==
          "lab.toml:8:10: parent: a cycle: a -> c -> b -> a: one of them must have another parent, or the root");
    CHECK(complaint(guest("a", "parent = 'b'") + guest("b", "parent = 'c'") + guest("c", "parent = 'root'")) ==
          "(accepted)");
}

TEST_CASE("who waits, waits for a guest that says when it is ready, and not in a circle", "[config]")
{
    CHECK(complaint(guest("a") + guest("b", "after = 'a'")) ==
          "lab.toml:8:9: after: guest 'a' has no ready signal to wait for: give it ready = \"synic\" or ready = "
          "\"serial:TEXT\"");
    CHECK(complaint(guest("a", "ready = 'synic'") + guest("b", "after = ['a', 'c']")) ==
          "lab.toml:8:15: after: there is no guest 'c': use a, b");
    CHECK_THAT(complaint(guest("b", "after = 'root'")), StartsWith("lab.toml:4:9: after: there is no guest 'root'"));
    CHECK_THAT(complaint(guest("a", "ready = 'synic'\nafter = 'a'")),
               StartsWith("lab.toml:5:9: after: a cycle: a -> a: "));
    CHECK_THAT(complaint(guest("a", "ready = 'synic'\nafter = 'b'") + guest("b", "ready = 'synic'\nafter = 'a'")),
               StartsWith("lab.toml:5:9: after: a cycle: a -> b -> a: "));
}

TEST_CASE("one guest has standard input, and each file is one guest's", "[config]")
{
    auto const with = [](std::string const& first, std::string const& second) {
        return guest("a", "console = '" + first + "'") + guest("b", "console = '" + second + "'");
    };
    CHECK_THAT(complaint(with("stdio", "stdio")),
               StartsWith("lab.toml:8:11: console: guest 'a' has this one already"));
    CHECK_THAT(complaint(with("file:x", "file:x")), StartsWith("lab.toml:8:11: console: "));
    CHECK_THAT(complaint(with("file:x", "file:./y/../x")), StartsWith("lab.toml:8:11: console: "));
    for (auto const* const console : {"lines", "pty", "none"})
        CHECK(complaint(with(console, console)) == "(accepted)");
    CHECK(complaint(with("file:x", "file:y")) == "(accepted)");
    CHECK(complaint(with("stdio", "lines")) == "(accepted)");
}

TEST_CASE("of several mistakes in a guest, the first in the file is told", "[config]")
{
    CHECK_THAT(complaint_about("parent = 3\ncpus = 0\n"), StartsWith("lab.toml:4:10: "));
    CHECK_THAT(complaint_about("cpus = 0\nbogus = 3\n"), StartsWith("lab.toml:4:8: "));
}

TEST_CASE("a file that cannot be read is the user's to mend", "[config]")
{
    auto const message = [](std::string const& path) {
        try {
            (void)vmm::read_config(path, known);
        } catch (vmm::UserError const& e) {
            return std::string{e.what()};
        }
        return std::string{"(read)"};
    };
    CHECK_THAT(message("/nonexistent/lab.toml"),
               StartsWith("--config: cannot read '/nonexistent/lab.toml': No such file"));
    CHECK_THAT(message("/tmp"), StartsWith("--config: cannot read '/tmp': Is a directory"));

    auto const path = std::filesystem::temp_directory_path() / ("lab-" + std::to_string(::getpid()) + ".toml");
    std::ofstream{path} << guest("a") << "x";
    CHECK_THAT(message(path.string()), StartsWith(path.string() + ":5:"));
    std::ofstream{path} << std::string((std::size_t{1} << 20) + 1, '#');
    CHECK_THAT(message(path.string()), Contains("more than 1 MiB"));
    std::filesystem::remove(path);
}
