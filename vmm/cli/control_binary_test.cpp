/// `--control` and `porthole ctl`, as a user sees them. Without /dev/kvm there is little to see.
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/cli/testing/puppet.hpp"
#include "vmm/console/testing/streams.hpp"
#include "vmm/host/testing/contains.hpp"
#include "vmm/host/unix_listener.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

namespace {

using Catch::Matchers::StartsWith;
using nlohmann::json;
using namespace std::chrono_literals;
using namespace vmm::testing;

/// A run of guests that is controlled.
class Run {
  public:
    explicit Run(std::string const& guests)
        : process{{"run", "--control", socket(), "--config", folder_.file("lab.toml", guests)}}
    {}

    [[nodiscard]] std::string socket() const { return folder_.path("control"); }

    [[nodiscard]] Outcome ctl(std::vector<std::string> arguments) const
    {
        std::vector<std::string> all{"ctl", socket()};
        all.insert(all.end(), arguments.begin(), arguments.end());
        return porthole(all);
    }
    /// What it answers as JSON.
    [[nodiscard]] json ask(std::vector<std::string> arguments) const
    {
        arguments.emplace_back("--json");
        auto const outcome = ctl(std::move(arguments));
        CHECK(outcome.err.empty());
        REQUIRE(outcome.status == 0);
        CHECK(outcome.out.ends_with('\n'));
        return json::parse(outcome.out);
    }
    /// What it complains of, with status 1.
    [[nodiscard]] std::string refusal(std::vector<std::string> arguments) const
    {
        auto const outcome = ctl(std::move(arguments));
        CHECK(outcome.status == 1);
        CHECK(outcome.out.empty());
        return outcome.err;
    }

  private:
    Folder folder_;

  public:
    Process process;
};

constexpr auto polite = "say:up await-power-button say:off power-off";

} // namespace

TEST_CASE("ctl says in one line what is wrong with its arguments", "[binary][control]")
{
    check_is_one_complaint(porthole({"ctl"}), "porthole ctl PATH COMMAND");
    check_is_one_complaint(porthole({"ctl", "socket"}), "porthole ctl PATH COMMAND");
    check_is_one_complaint(porthole({"ctl", "socket", "fly"}), "there is no command 'fly'");
    check_is_one_complaint(porthole({"ctl", "socket", "status", "now"}), "porthole ctl PATH status");
    check_is_one_complaint(porthole({"ctl", "socket", "status", "--fly"}), "unknown option '--fly'");
    check_is_one_complaint(porthole({"ctl", "/no/such/socket", "status"}), "cannot connect to '/no/such/socket'");
    check_is_one_complaint(porthole({"ctl", "/", "status"}), "cannot connect to '/'");
    check_is_one_complaint(porthole({"ctl", std::string(200, 'x'), "status"}), "too long");

    auto const help = porthole({"ctl", "--help"});
    CHECK(help.status == 0);
    CHECK_THAT(help.out, Contains("status") && Contains("shutdown") && Contains("--json"));
}

TEST_CASE("a control socket that cannot be made is one line, and nothing is started", "[binary][control]")
{
    if (!can_run()) return;
    Folder const folder;
    auto const run = [](std::string const& socket) {
        return porthole({"run", "--control", socket, "--kernel", puppet(), "--memory", "16M", "--test-devices",
                         "--cmdline", "say:started exit:0"});
    };
    check_is_one_complaint(run(folder.file("f", "x")), "no socket");
    check_is_one_complaint(run(folder.path("no/folder")), "No such file");
    check_is_one_complaint(run(folder.path(std::string(120, 'x'))), "107 bytes");
    check_is_one_complaint(run(""), "--control");

    vmm::UnixListener const other{"--control", folder.path("taken")};
    check_is_one_complaint(run(folder.path("taken")), "in use");
}

TEST_CASE("the control socket comes and goes with the run", "[binary][control]")
{
    if (!can_run()) return;
    Folder const folder;
    auto const path = folder.path("control");
    Process process{
        {"run", "--control", path, "--kernel", puppet(), "--memory", "16M", "--test-devices", "--cmdline", polite}};
    process.await_output("up\n");
    CHECK(std::filesystem::status(path).permissions() ==
          (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
    CHECK(porthole({"ctl", path, "shutdown"}).status == 0);
    CHECK(process.end().status == 0);
    CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("status tells what each guest is doing, for people and as JSON", "[binary][control]")
{
    if (!can_run()) return;
    Run run{guest("one", polite, "cpus = 2\nready = 'serial:off'") + guest("two", "say:hi exit:1", "after = 'one'")};
    run.process.await_output("one| up\n");

    auto const text = run.ctl({"status"});
    CHECK(text.status == 0);
    CHECK_THAT(text.out, Contains("one") && Contains("running") && Contains("two") && Contains("waiting"));
    auto const all = run.ask({"status"});
    CHECK(all["version"] == PORTHOLE_VERSION);
    REQUIRE(all["guests"].size() == 2);
    CHECK(all["guests"][0] == json{{"name", "one"},
                                   {"state", "running"},
                                   {"ready", false},
                                   {"cpus", 2},
                                   {"memory", 16 << 20},
                                   {"partition", 2},
                                   {"heartbeat", "no contact"}});
    CHECK(all["guests"][1]["state"] == "waiting");
    auto const two = run.ask({"status", "--guest", "two"});
    REQUIRE(two["guests"].size() == 1);
    CHECK(two["guests"][0]["name"] == "two");

    run.process.signal(SIGTERM);
    CHECK(run.process.end().status == 0);
}

TEST_CASE("shutdown presses the power button of the guest that is named", "[binary][control]")
{
    if (!can_run()) return;
    Run run{guest("one", polite, "ready = 'serial:off'") + guest("two", polite) +
            guest("three", "say:hi exit:0", "after = 'one'")};
    run.process.await_output("one| up\n");
    run.process.await_output("two| up\n");
    CHECK(run.refusal({"shutdown"}) == "porthole: there are several guests: name one\n");
    CHECK(run.refusal({"shutdown", "--guest", "four"}) == "porthole: there is no guest 'four'\n");
    CHECK(run.refusal({"shutdown", "--guest", "three"}) == "porthole: guest 'three' has not started yet\n");
    CHECK(run.ctl({"shutdown", "--guest", "two"}).status == 0);
    run.process.await_output("two| off\n");
    while (run.ask({"status", "--guest", "two"})["guests"][0]["state"] != "ended") {
    }
    CHECK(run.refusal({"shutdown", "--guest", "two"}) == "porthole: guest 'two' has ended\n");
    CHECK(run.ctl({"shutdown", "--guest", "one"}).status == 0);
    CHECK_THAT(run.process.end().out, Contains("one| off\n"));
}

TEST_CASE("what needs a driver in the guest says so when there is none", "[binary][control]")
{
    if (!can_run()) return;
    Run run{guest("one", polite)};
    run.process.await_output("up\n");
    CHECK_THAT(run.refusal({"kvp", "list"}), Contains("does not listen"));
    CHECK_THAT(run.refusal({"kvp", "set", "colour", "green"}), Contains("does not listen"));
    CHECK_THAT(run.refusal({"kvp", "list", "car"}), Contains("there is no pool 'car'"));
    CHECK_THAT(run.refusal({"kvp", "set", "colour"}), Contains("value"));
    CHECK_THAT(run.refusal({"kvp", "paint"}), Contains("use list, set, delete or addresses"));
    CHECK_THAT(run.refusal({"key", "1e"}), Contains("no driver in the guest takes keys"));
    for (auto const* const code : {"a key", "80", "1001e", "e000", "", "ctrl+", "a+b+c+d+e+f+g+h+i"})
        CHECK_THAT(run.refusal({"key", code}), StartsWith("porthole: code: "));
    CHECK_THAT(run.refusal({"key", "ctrl+alt+delete"}), Contains("no driver in the guest takes keys"));
    CHECK_THAT(run.refusal({"type", "ls -l\n"}), Contains("no driver in the guest takes keys"));
    CHECK_THAT(run.refusal({"type", "\xC3\xA9"}), Contains("a US keyboard has not"));
    CHECK_THAT(run.refusal({"mouse", "1", "2"}), Contains("run it with --display"));
    CHECK_THAT(run.refusal({"screenshot", "x.png"}), Contains("run it with --display"));
    CHECK_THAT(run.refusal({"shutdown", "reboot"}), Contains("no driver in the guest listens"));
    CHECK_THAT(run.refusal({"shutdown", "soon"}), Contains("use power-off, reboot, hibernate or power-button"));
    CHECK(run.ask({"shutdown", "power-button"}) == json{{"asked-by", "power-button"}});
    CHECK_THAT(run.process.end().out, Contains("off\n"));
}

TEST_CASE("a paused guest does nothing and does not notice the pause", "[binary][control][pause]")
{
    if (!can_run()) return;
    using Clock = std::chrono::steady_clock;
    auto const started = Clock::now(); // the guest looks at its clocks some time before its "go" is read here
    Run run{guest("one", "synic time print:go tick:400 await:x time power-off", "cpus = 2\nconsole = 'stdio'") +
            guest("two", polite, "console = 'none'")};
    run.process.await_output("go");
    auto const paused = run.ask({"pause", "--guest", "one"});
    auto const from = Clock::now();
    CHECK(run.ask({"status", "--guest", "one"})["guests"][0]["state"] == "paused");
    CHECK(run.ask({"status", "--guest", "two"})["guests"][0]["state"] == "running");
    CHECK(run.refusal({"pause", "--guest", "one"}) == "porthole: guest 'one' is paused already\n");
    CHECK(run.refusal({"shutdown", "--guest", "one"}) == "porthole: guest 'one' is paused: resume it first\n");
    CHECK(run.refusal({"resume", "--guest", "two"}) == "porthole: guest 'two' is not paused\n");
    run.process.type("x");
    std::this_thread::sleep_until(from + 1s); // the length of the pause
    CHECK(run.ctl({"resume", "--guest", "one"}).out.empty());

    run.process.await_output("tick");
    run.process.signal(SIGTERM); // for the other
    auto const seen = run.process.end().out;
    auto const elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - started).count();
    std::array<long, 2> first{}; // by the reference time, and by the TSC
    std::array<long, 2> second{};
    REQUIRE(std::sscanf(seen.c_str(), "time %ld %ld gotick time %ld %ld", &first[0], &first[1], &second[0],
                        &second[1]) == 4);
    for (auto const clock : {0U, 1U}) {
        auto const passed = second[clock] - first[clock];
        CHECK(passed >= 400);
        CHECK(passed <= elapsed + 1);
        if (paused["time"] == "stopped") CHECK(passed <= elapsed - 900);
    }
}

TEST_CASE("a paused guest can be ended", "[binary][control][pause]")
{
    if (!can_run()) return;
    Run run{guest("one", polite, "cpus = 2")};
    run.process.await_output("up\n");
    CHECK(run.ctl({"pause"}).status == 0);
    SECTION("by a signal, which resumes it")
    {
        run.process.signal(SIGTERM);
        auto const end = run.process.end();
        CHECK(end.status == 0);
        CHECK_THAT(end.out, Contains("off"));
    }
    SECTION("by Ctrl-A x")
    {
        run.process.type("\x01x");
        CHECK(run.process.end().status == 0);
    }
}

TEST_CASE("a guest is paused and resumed many times", "[binary][control][pause]")
{
    if (!can_run()) return;
    Run run{guest("one", polite, "cpus = 4")};
    run.process.await_output("up\n");
    for (int round = 0; round < 20; ++round) {
        CHECK(run.ctl({"pause"}).status == 0);
        CHECK(run.ctl({"resume"}).status == 0);
    }
    CHECK(run.ctl({"shutdown"}).status == 0);
    CHECK_THAT(run.process.end().out, Contains("off"));
}

TEST_CASE("inspect shows partitions, processors, ports, connections and the VMBus", "[binary][control][inspect]")
{
    if (!can_run()) return;
    Run run{guest("server", "synic port:7:3 print:open await-power-button power-off",
                  "cpus = 2\nready = \'serial:open\'") +
            guest("client", "connect:2:7 say:done await-power-button power-off", "after = \'server\'")};
    run.process.await_output("client| done\n");

    auto tree = run.ask({"inspect"})["partitions"];
    auto const all_have_answered = [&tree] {
        auto const& vps = tree["2"]["vps"];
        return vps["0"].contains("synic") && vps["1"].contains("synic");
    };
    for (int i = 0; i < 20 && !all_have_answered(); ++i) // each gets little time to on a busy machine
        tree = run.ask({"inspect"})["partitions"];
    REQUIRE(all_have_answered());
    CHECK(tree["1"]["ports"]["count"] > 0);
    auto const& server = tree["2"];
    CHECK(server["guest"] == "server");
    CHECK(server["parent"] == 1);
    CHECK(server["ports"]["7"]["for_partition"] == 3);
    CHECK(server["ports"]["7"]["connected"] == true);
    CHECK(server["vps"]["count"] == 2);
    CHECK(server["vps"]["0"]["state"] == "runs");
    CHECK(server["vps"]["0"]["synic"]["enabled"] == true);
    CHECK(server["vps"]["0"]["synic"]["sint 4"]["masked"] == true);
    CHECK(server["vps"]["1"]["synic"]["enabled"] == false);
    CHECK(server["vmbus"].contains("version"));
    auto const& connections = tree["3"]["connections"];
    CHECK(connections["count"] == 1 + connections.size() - 2);
    CHECK(connections["256"]["to_port"] == 7);

    CHECK(run.ask({"inspect", "partitions/2/ports/7/type"}) == "message");
    CHECK(run.ask({"inspect", "--guest", "client"})["partitions"].size() == 1);
    CHECK(run.refusal({"inspect", "partitions/9"}) == "porthole: there is nothing at \'partitions/9\'\n");
    CHECK_THAT(run.ctl({"inspect"}).out, Contains("\n    ports:\n      count: "));

    CHECK(run.ctl({"pause", "--guest", "server"}).status == 0);
    CHECK(run.ask({"inspect", "partitions/2/vps/1"})["paused"] == true);
    run.process.signal(SIGTERM);
    CHECK(run.process.end().status == 0);
}

TEST_CASE("inspect shows disks, cards and sockets, which a guest without drivers has as well",
          "[binary][control][inspect]")
{
    if (!can_run()) return;
    Folder const folder;
    auto const image = folder.file("image", std::string(1 << 20, 'x'));
    auto const vsock = folder.path("vsock");
    Run run{guest("one", polite,
                  "disk = [\'" + image + ",ro,controller=1\']\nnet = [\'user\']\nvsock = \'" + vsock + "\'")};
    run.process.await_output("up\n");

    auto const tree = run.ask({"inspect", "partitions/2"});
    auto const& disk = tree["disks"]["1"]["0"];
    CHECK(disk["path"] == image);
    CHECK(disk["size"] == 1 << 20);
    CHECK(disk["read_only"] == true);
    CHECK(tree["sockets"]["path"] == vsock);
    CHECK(tree["sockets"]["connections"] == 0);
    auto const& channels = tree["vmbus"];
    CHECK(std::ranges::any_of(channels, [](json const& node) {
        return node.is_object() && node["open"] == false && node["device"].contains("mac");
    }));

    CHECK(run.refusal({"kvp", "addresses", "1"}) == "porthole: there is no network card \'1\': use 0\n");
    CHECK_THAT(run.refusal({"kvp", "addresses"}), Contains("the guest\'s driver for it does not listen"));
    run.process.signal(SIGTERM);
    CHECK(run.process.end().status == 0);
}

TEST_CASE("the socket speaks lines of JSON, as documented", "[binary][control]")
{
    if (!can_run()) return;
    Run run{guest("one", polite)};
    run.process.await_output("up\n");
    auto const client = vmm::connect_unix(run.socket());
    REQUIRE(client);
    std::string seen;
    auto const ask = [&](std::string const& line) {
        put(client.get(), line + "\n");
        while (seen.find('\n') == std::string::npos)
            seen += get_some(client.get());
        auto const answer = json::parse(seen.substr(0, seen.find('\n')));
        seen.erase(0, seen.find('\n') + 1);
        return answer;
    };
    CHECK(ask(R"({"execute": "status"})")["return"]["guests"].size() == 1);
    CHECK(ask(R"({"execute": "fly"})") == json{{"error", "there is no command 'fly'"}});
    CHECK(ask(R"({"execute": "status", "arguments": {"x": "y"}})") ==
          json{{"error", "this command has no argument 'x'"}});
    CHECK_THAT(ask("?")["error"].get<std::string>(), StartsWith("the request is no JSON"));
    CHECK(ask(R"({"execute": "shutdown", "guest": "one"})").contains("return"));
    CHECK(run.process.end().status == 0);
}

TEST_CASE("a screen is written into a file, and its mouse has nobody yet", "[binary][control][display]")
{
    if (!can_run()) return;
    Run run{guest("one", polite, "display = \"offscreen\"")};
    run.process.await_output("up\n");
    auto const file = run.socket() + ".png";
    CHECK(run.ctl({"screenshot", file}).status == 0);
    CHECK(std::filesystem::exists(file));
    check_is_one_complaint(run.ctl({"screenshot", run.socket() + "/x.png"}), "cannot write '");
    CHECK_THAT(run.refusal({"mouse", "1", "2"}), Contains("no driver in the guest takes a mouse"));
    CHECK_THAT(run.refusal({"mouse", "1024", "2"}), Contains("use 0 to 1023"));
    CHECK_THAT(run.refusal({"mouse", "1", "2", "fire"}), Contains("button: 'fire'"));
    CHECK(run.ask({"shutdown", "power-button"}) == json{{"asked-by", "power-button"}});
    CHECK_THAT(run.process.end().out, Contains("off\n"));
}
