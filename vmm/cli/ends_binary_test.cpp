// How guests come to their ends: triple faults, crashes that they report, and what follows.
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/cli/testing/puppet.hpp"

#include <csignal>

using namespace vmm::testing;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

Outcome run_puppet(std::string const& words, std::vector<std::string> const& options = {})
{
    std::vector<std::string> arguments{"run", "--kernel", puppet(), "--memory", "16M", "--cmdline", words};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return porthole(std::move(arguments));
}

std::size_t count(std::string const& text, std::string const& what)
{
    std::size_t n = 0;
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size()))
        ++n;
    return n;
}

void end_by_force(Process& process)
{
    process.signal(SIGTERM);
    process.await_error("asked the guest to power off");
    process.signal(SIGTERM);
    CHECK(process.end().status == 128 + SIGTERM);
}

} // namespace

TEST_CASE("a triple fault ends a guest with its registers, unless it is to be a reset", "[binary]")
{
    if (!can_run()) return;
    auto const end = run_puppet("say:here triple-fault");
    CHECK(end.status == 1);
    CHECK_THAT(end.err, StartsWith("porthole: the guest died: triple fault (vCPU 0)\n  rip "));

    auto const reset = run_puppet("say:here triple-fault", {"--on-triple-fault", "reset"});
    CHECK(reset.status == 0);
    CHECK(reset.err.empty());
    CHECK(count(reset.out, "here") == 1);

    auto const no_reset = run_puppet("say:here triple-fault", {"--on-reboot", "restart", "--on-triple-fault", "end"});
    CHECK(no_reset.status == 1);
    CHECK(count(no_reset.out, "here") == 1);
    CHECK_THAT(no_reset.err, StartsWith("porthole: the guest died: triple fault"));
}

TEST_CASE("a guest that triple-faults at once again and again is ended with its registers", "[binary]")
{
    if (!can_run()) return;
    auto const end = run_puppet("say:here triple-fault", {"--on-reboot", "restart"});
    CHECK(end.status == 1);
    CHECK(count(end.out, "here") == 5);
    CHECK(count(end.err, "the guest was reset by a triple fault") == 4);
    CHECK_THAT(end.err, Contains("porthole: the guest died: triple fault (vCPU 0)\n  rip ") &&
                            Contains("the 5th triple fault in a row"));
}

TEST_CASE("a guest that listened to its serial port may reset itself by triple faults for ever", "[binary]")
{
    if (!can_run()) return;
    Process process{{"run", "--kernel", puppet(), "--memory", "16M", "--on-reboot", "restart", "--cmdline",
                     "say:here await:x triple-fault"}};
    std::string starts;
    for (unsigned i = 1; i <= 7; ++i) {
        starts += "here\n";
        process.await_output(starts);
        process.type("x");
    }
    process.await_output(starts + "here\n"); // a reset after the signal would end the run by itself
    end_by_force(process);
}

TEST_CASE("a guest does nothing after the instruction that ends it", "[binary]")
{
    if (!can_run()) return;
    for (unsigned i = 0; i < 10; ++i) {
        CHECK(run_puppet("say:before power-off say:after").out == "before\n");
        CHECK(run_puppet("say:before reset say:after").out == "before\n");
    }
}

TEST_CASE("a guest that reports a crash goes on, and its run ends with status 1", "[binary]")
{
    if (!can_run()) return;
    auto const off = run_puppet("say:before crash say:after power-off");
    CHECK(off.status == 1);
    CHECK(off.out == "before\nafter\n");
    CHECK_THAT(off.err, StartsWith("porthole: the guest reported a crash: 0xc0de") && Contains("it goes on"));

    auto const end = run_puppet("say:before crash say:after power-off", {"--on-crash", "end"});
    CHECK(end.status == 1);
    CHECK(end.out == "before\n");
    CHECK_THAT(end.err, StartsWith("porthole: the guest reported a crash: 0xc0de"));

    auto const reset = run_puppet("crash reset");
    CHECK(reset.status == 1);
    auto const exit = run_puppet("crash exit:3", {"--test-devices"});
    CHECK(exit.status == 7);
}

TEST_CASE("a guest that reports crashes without end is heard a few times", "[binary]")
{
    if (!can_run()) return;
    std::string words;
    for (unsigned i = 0; i < 20; ++i)
        words += "crash ";
    auto const end = run_puppet(words + "say:after power-off");
    CHECK(end.status == 1);
    CHECK(end.out == "after\n");
    CHECK(count(end.err, "reported a crash") == 4);
}

TEST_CASE("who stands still after a crash is shown as crashed, until the user ends it", "[binary]")
{
    if (!can_run()) return;
    Folder const folder;
    Process process{{"run", "--kernel", puppet(), "--memory", "16M", "--control", folder.path("control"), "--cmdline",
                     "crash say:stands halt"}};
    process.await_output("stands\n");
    process.await_error("it goes on");
    CHECK_THAT(porthole({"ctl", folder.path("control"), "status", "--json"}).out, Contains("\"crashed\":true"));
    end_by_force(process);
}

TEST_CASE("the last processor hears the first INIT, also when the guest starts anew", "[binary]")
{
    if (!can_run()) return;
    auto const startup = (build_folder() / "guest-tests" / "startup.elf").string();
    Process process{{"run", "--kernel", startup, "--memory", "32M", "--cpus", "2", "--on-reboot", "restart",
                     "--cmdline", "reset"}};
    process.await_output("# startup: 2 of 2 processors\n# startup: 2 of 2 processors\n");
    process.signal(SIGKILL);
}
