/// Several guests in one process, as a user sees them. Their kernel is guest-tests/puppet, which does what its
/// command line says. Without /dev/kvm there is nothing to see.
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/cli/testing/puppet.hpp"
#include "vmm/console/testing/streams.hpp"
#include "vmm/host/testing/contains.hpp"

#include <csignal>
#include <fcntl.h>
#include <unistd.h>

namespace {

using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;
using namespace vmm::testing;

/// Runs these guests to their end.
Outcome run(std::string const& config, std::vector<std::string> const& more = {})
{
    Folder const folder;
    std::vector<std::string> arguments{"run", "--config", folder.file("lab.toml", config)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return porthole(arguments);
}

std::string without_carriage_returns(std::string text)
{
    std::erase(text, '\r');
    return text;
}

} // namespace

TEST_CASE("a mistake in the file is one line with its place, and nothing is started", "[binary]")
{
    Folder const folder;
    auto const config =
        folder.file("lab.toml", "[[guest]]\nname = 'a'\nkernel = 'k'\nconsole = 'file:a.txt'\n"
                                "[[guest]]\nname = 'b'\nkernel = 'k'\nprivileges = ['create-prot']\n");
    check_is_one_complaint(porthole({"run", "--config", config}), config + ":8:15: privileges: 'create-prot'");
    CHECK_FALSE(std::filesystem::exists(folder.path("a.txt")));
    auto const two = [&](std::string const& first, std::string const& second) {
        return folder.file("two.toml", "[[guest]]\nname = 'a'\nkernel = 'k'\nconsole = 'file:a.txt'\n" + first +
                                           "\n[[guest]]\n" + second + "\nkernel = 'k'\n");
    };
    struct {
        char const* first;
        char const* second;
        char const* complaint;
    } const mistakes[] = {
        {"", "name = 'b'\nbogus = 1", ":8:1: a guest has no key 'bogus'"},
        {"parent = 'b'", "name = 'b'\nparent = 'a'", ":5:10: parent: a cycle: a -> b -> a"},
        {"", "name = 'a'", ":7:8: name: the guest in line 1 is 'a' already"},
        {"", "name = 'b'\nparent = 'c'", ":8:10: parent: there is no guest 'c'"},
        {"privileges = ['fly']", "name = 'b'", ":5:15: privileges: 'fly' is not known"},
    };
    for (auto const& mistake : mistakes) {
        auto const file = two(mistake.first, mistake.second);
        check_is_one_complaint(porthole({"run", "--config", file}), "porthole: " + file + mistake.complaint);
        CHECK_FALSE(std::filesystem::exists(folder.path("a.txt")));
    }
    check_is_one_complaint(porthole({"run", "--config", folder.path("nowhere.toml")}), "No such file");
    check_is_one_complaint(porthole({"run", "--config", config, "--cpus", "2"}), "--config and --cpus");
}

TEST_CASE("when one guest cannot be built, none runs", "[binary]")
{
    if (!can_run()) return;
    check_is_one_complaint(
        run(guest("a", "say:started exit:1") + "[[guest]]\nname = 'b'\nkernel = 'no such kernel'\n"),
        "guest 'b': cannot open the kernel");
    check_is_one_complaint(run(guest("a", "exit:1") + guest("b", "exit:1", "console = 'file:no/such/folder'")),
                           "guest 'b': cannot write the guest's serial output");
}

TEST_CASE("guests run side by side, their lines tell whose they are, and the highest status counts", "[binary]")
{
    if (!can_run()) return;
    auto const both = run(guest("one", "id say:hello print:last exit:3") + guest("two", "id exit:1"));
    CHECK(both.status == 7);
    CHECK(both.err.empty());
    CHECK(has_line(both.out, "one| partition 2"));
    CHECK(has_line(both.out, "one| hello"));
    CHECK(has_line(both.out, "one| last"));
    CHECK(has_line(both.out, "two| partition 3"));
}

TEST_CASE("one guest of a file is as one of the command line", "[binary]")
{
    if (!can_run()) return;
    auto const alone =
        porthole({"run", "--kernel", puppet(), "--memory", "16M", "--test-devices", "--privileges",
                  "create-port,access-partition-id", "--cmdline", "id synic port:9:1 crash", "--on-crash", "end"});
    auto const file = run(guest("only", "id synic port:9:1 crash", "on-crash = 'end'"));
    CHECK(alone.out == file.out);
    CHECK(alone.status == 1);
    CHECK(file.status == 1);
    CHECK_THAT(alone.err, StartsWith("porthole: the guest reported a crash: 0xc0de"));
    CHECK_THAT(file.err, StartsWith("porthole: guest 'only' reported a crash: 0xc0de"));
}

TEST_CASE("partition IDs follow the file, also when a parent comes after its child", "[binary]")
{
    if (!can_run()) return;
    auto const ids =
        run(guest("child", "id synic say:up take exit:1", "parent = 'mother'\nready = 'serial:up'") +
            guest("mother", "id port-in:2:9:4 say:made exit:1", "after = 'child'\nready = 'serial:made'") +
            guest("stranger", "id port-in:2:10:3 connect:2:9 post exit:1", "after = ['mother']"));
    CHECK(ids.status == 3);
    CHECK(has_line(ids.out, "child| partition 2"));
    CHECK(has_line(ids.out, "mother| partition 3"));
    CHECK(has_line(ids.out, "stranger| partition 4"));
    CHECK(has_line(ids.out, "mother| port: HV_STATUS_SUCCESS")); // in its child
    CHECK(has_line(ids.out, "stranger| port: HV_STATUS_ACCESS_DENIED"));
    CHECK(has_line(ids.out, "stranger| connect: HV_STATUS_SUCCESS"));
    CHECK(has_line(ids.out, "child| took a message"));
}

TEST_CASE("a child that has not started has ports, but no registers (TLFS 2.0a 14.9.1, 6.0b 7.10.2)", "[binary]")
{
    if (!can_run()) return;
    auto const early = run(guest("mother", "register-of:2 register-of:3 register-of:9 port-in:3:9:2 say:asked exit:1",
                                 "ready = 'serial:asked'") +
                           guest("child", "say:started power-off", "parent = 'mother'\nafter = 'mother'"));
    CHECK(has_line(early.out, "mother| register: HV_STATUS_SUCCESS"));
    CHECK(has_line(early.out, "mother| register: HV_STATUS_INVALID_PARTITION_STATE"));
    CHECK(has_line(early.out, "mother| register: HV_STATUS_INVALID_PARTITION_ID"));
    CHECK(has_line(early.out, "mother| port: HV_STATUS_SUCCESS"));
    CHECK(has_line(early.out, "child| started"));
}

TEST_CASE("a guest that dies takes only itself down (TLFS 2.0a 14.9.7)", "[binary]")
{
    if (!can_run()) return;
    auto const life = run(guest("server", "synic port:7:3 say:open take triple-fault", "ready = 'serial:open'") +
                          guest("client", "connect:2:7 post-until-refused connect:2:8 say:alive power-off",
                                "parent = 'server'\nafter = 'server'"));
    CHECK(life.status == 1);
    CHECK_THAT(life.err, StartsWith("porthole: guest 'server' died: "));
    CHECK(has_line(life.out, "server| took a message"));
    CHECK(has_line(life.out, "client| connect: HV_STATUS_SUCCESS"));
    CHECK(has_line(life.out, "client| post: HV_STATUS_INVALID_PORT_ID"));
    CHECK(has_line(life.out, "client| connect: HV_STATUS_INVALID_PARTITION_ID"));
    CHECK(has_line(life.out, "client| alive"));
}

TEST_CASE("a guest waits for another's SynIC, or for its text", "[binary]")
{
    if (!can_run()) return;
    auto const order = run(
        guest("last", "say:third exit:1", "after = ['first', 'second']") +
        guest("second", "say:second print:go print:es say:on exit:1", "after = 'first'\nready = 'serial:goeson'") +
        guest("first", "say:first synic exit:1", "ready = 'synic'"));
    CHECK(order.status == 3);
    CHECK(order.err.empty());
    // The text is there before the end of its line, which the console waits for: the last may be the quicker.
    CHECK_THAT(order.out, StartsWith("first| first\nsecond| second\n"));
    CHECK(has_line(order.out, "second| goeson"));
    CHECK(has_line(order.out, "last| third"));
}

TEST_CASE("who waits for a guest that ended before it was ready is not started, and the others are", "[binary]")
{
    if (!can_run()) return;
    auto const end = run(guest("server", "say:hello power-off", "ready = 'synic'") +
                         guest("client", "say:started exit:1", "after = 'server'\nready = 'synic'") +
                         guest("third", "say:started exit:1", "after = 'client'") + guest("other", "say:hi exit:0"));
    CHECK(end.status == 2);
    CHECK(has_line(end.err, "porthole: guest 'client': not started: guest 'server' ended before it was ready"));
    CHECK(has_line(end.err, "porthole: guest 'third': not started: guest 'client' ended before it was ready"));
    CHECK(end.out.find("started") == std::string::npos);
    CHECK(has_line(end.out, "other| hi"));
}

TEST_CASE("a partition's pool is what its ports are charged to (TLFS 2.0a 7)", "[binary]")
{
    if (!can_run()) return;
    auto const pools = run(guest("poor", "synic port:1:1 port:2:1 port:3:1 port:4:1 exit:1", "pool = '16K'") +
                           guest("rich", "synic port:1:1 exit:1", "pool = '1M'"));
    CHECK(has_line(pools.out, "poor| port: HV_STATUS_INSUFFICIENT_MEMORY"));
    CHECK(has_line(pools.out, "rich| port: HV_STATUS_SUCCESS"));
}

TEST_CASE("a trace of several guests tells them apart", "[binary]")
{
    if (!can_run()) return;
    Folder const folder;
    auto const config = folder.file("lab.toml", guest("one", "synic port:5:3 exit:1") + guest("two", "synic exit:1"));
    CHECK(porthole({"run", "--config", config, "--trace", "hypercall,msr=" + folder.path("trace.txt")}).status == 3);
    auto const trace = folder.content("trace.txt");
    CHECK_THAT(trace, Contains(" one#2 vp0 hypercall HvCreatePort") && Contains(" two#3 vp0 msr write SCONTROL"));
    CHECK(trace.find("two#3 vp0 hypercall") == std::string::npos);
}

TEST_CASE("a guest starts anew without the others, as a new partition, until the user wants all to end", "[binary]")
{
    if (!can_run()) return;
    Folder const folder;
    Process process{{"run", "--config",
                     folder.file("lab.toml", guest("again", "id reset", "on-reboot = 'restart'") +
                                                 guest("steady", "id await-power-button say:off power-off"))}};
    process.await_output("steady| partition 3\n");
    process.await_output("again| partition 6\n");
    process.signal(SIGTERM);
    auto const end = process.end();
    CHECK(end.status == 0);
    CHECK_THAT(end.err, Contains("asked all guests to power off"));
    CHECK(has_line(end.out, "again| partition 2"));
    CHECK(has_line(end.out, "again| partition 4"));
    CHECK(has_line(end.out, "steady| off"));
}

TEST_CASE("the first signal asks all guests to power off, and starts no other", "[binary]")
{
    if (!can_run()) return;
    Folder const folder;
    auto const polite = "say:up await-power-button say:off power-off";
    Process process{{"run", "--config",
                     folder.file("lab.toml", guest("one", polite) + guest("two", polite, "ready = 'synic'") +
                                                 guest("waiting", "say:started exit:1", "after = 'two'"))}};
    process.await_output("one| up\n");
    process.await_output("two| up\n");
    process.signal(SIGTERM);
    auto const end = process.end();
    CHECK(end.status == 0);
    CHECK(has_line(end.out, "one| off"));
    CHECK(has_line(end.out, "two| off"));
    CHECK(end.out.find("started") == std::string::npos);
}

TEST_CASE("the second signal ends all at once", "[binary]")
{
    if (!can_run()) return;
    Folder const folder;
    Process process{
        {"run", "--config", folder.file("lab.toml", guest("one", "say:deaf halt") + guest("two", "say:deaf halt"))}};
    process.await_output("one| deaf\n");
    process.await_output("two| deaf\n");
    process.signal(SIGTERM);
    process.await_error("asked all guests to power off");
    process.signal(SIGINT);
    CHECK(process.end().status == 128 + SIGINT);
}

TEST_CASE("Ctrl-A x on the one terminal ends all, and what had ended before still counts", "[binary]")
{
    if (!can_run()) return;
    Folder const folder;
    Process process{
        {"run", "--log-level", "info", "--config",
         folder.file("lab.toml",
                     guest("typed", "say:here await:hello say:heard halt", "console = 'stdio'\nafter = 'quiet'") +
                         guest("quiet", "say:up halt", "console = 'file:quiet.txt'\nready = 'serial:up'") +
                         guest("gone", "exit:2", "console = 'none'"))}};
    process.await_error("guest 'gone' ended: debug exit, status 5\n");
    process.await_output("here\n");
    process.type("hello");
    process.await_output("heard\n");
    process.type("\x01x");
    auto const end = process.end();
    CHECK(end.status == 5);
    CHECK_THAT(end.err, Contains("guest 'quiet' ended: left by the user"));
    CHECK(without_carriage_returns(folder.content("quiet.txt")) == "up\n");
}

TEST_CASE("a pseudo terminal's path is on standard error, and it leads to its guest", "[binary]")
{
    if (!can_run()) return;
    Folder const folder;
    Process process{
        {"run", "--config",
         folder.file("lab.toml", guest("one", "await:hello say:heard await:bye power-off", "console = 'pty'") +
                                     guest("two", "exit:0"))}};
    auto const& said = process.await_error("\n");
    std::string const before = "porthole: guest 'one': console on ";
    REQUIRE_THAT(said, StartsWith(before + "/dev/pts/"));
    auto const path = said.substr(before.size(), said.find('\n') - before.size());

    vmm::UniqueFd const terminal{::open(path.c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC)};
    REQUIRE(terminal);
    put(terminal.get(), "hello");
    CHECK(get(terminal.get(), 6) == "heard\n");
    put(terminal.get(), "bye");
    CHECK(process.end().status == 1);
}

TEST_CASE("who loses the reader of its console ends, and the others go on", "[binary]")
{
    if (!can_run()) return;
    Folder const folder;
    Process process{{"run", "--config",
                     folder.file("lab.toml", guest("heard", "say:up await-power-button say:lost halt") +
                                                 guest("other", "say:up await-power-button say:off exit:1",
                                                       "console = 'file:o'"))}};
    process.await_output("heard| up\n");
    process.close_output();
    process.signal(SIGTERM); // makes both say something
    auto const end = process.end();
    CHECK(end.status == 3);
    CHECK_THAT(end.err, Contains("guest 'heard': the guest's console output has no reader any more"));
    CHECK_THAT(without_carriage_returns(folder.content("o")), EndsWith("off\n"));
}
