// The process around the guests: its standard streams, files, limits and signals, as a user meets them. Without
// /dev/kvm there is nothing to see.
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/cli/testing/puppet.hpp"
#include "vmm/console/testing/streams.hpp"
#include "vmm/host/testing/contains.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <thread>

namespace {

using Catch::Matchers::StartsWith;
using namespace std::chrono_literals;
using namespace vmm::testing;

std::vector<std::string> run(std::string const& cmdline, std::vector<std::string> const& more = {})
{
    std::vector<std::string> arguments{"run", "--kernel",       puppet(),    "--memory",
                                       "16M", "--test-devices", "--cmdline", cmdline};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

constexpr auto one_run =
    R"("$porthole" run --kernel "$puppet" --memory 16M --test-devices --cmdline 'say:hi exit:0')";

} // namespace

TEST_CASE("nobody waits for a reader of standard error that stands still", "[binary][stderr]")
{
    if (!can_run()) return;
    Folder const folder;
    auto const control = folder.path("control");
    SECTION("the guest shuts down")
    {
        Process process{run("say:up await-power-button power-off",
                            {"--log-level", "info", "--trace", "msr,hypercall", "--control", control}),
                        {.error = Stderr::Stalled}};
        process.await_output("up\n");
        CHECK(porthole({"ctl", control, "status"}).status == 0);
        process.signal(SIGTERM);
        CHECK(process.end().status == 0);
    }
    SECTION("the guest is deaf, and a second signal ends it")
    {
        Process process{run("synic say:up tick:1 tick:1 halt", {"--trace", "msr,irq,synic", "--control", control}),
                        {.error = Stderr::Stalled}};
        process.await_output("up\n");
        process.signal(SIGINT);
        CHECK(porthole({"ctl", control, "status"}).status == 0);
        process.signal(SIGTERM);
        auto const end = process.end();
        CHECK(end.status == 128 + SIGTERM);
        CHECK_THAT(end.err, StartsWith("...."));
    }
    SECTION("the run cannot begin")
    {
        Process process{{"run", "--kernel", "/no/such/kernel"}, {.error = Stderr::Stalled}};
        CHECK(process.end().status == 2);
    }
}

TEST_CASE("a log or trace that has no room on its disk is said, and the status tells", "[binary][output]")
{
    if (!can_run()) return;
    auto const log = porthole(run("say:hi exit:0", {"--log-level", "info", "--log-file", "/dev/full"}));
    CHECK(log.status == 2);
    CHECK(log.out == "hi\n");
    CHECK_THAT(log.err, StartsWith("porthole: cannot write the log to '/dev/full' any further: No space left") &&
                            Contains("porthole: the log is not whole: "));

    auto const trace = porthole(run("synic say:hi exit:0", {"--trace", "msr=/dev/full"}));
    CHECK(trace.status == 2);
    CHECK(trace.out == "hi\n");
    CHECK_THAT(trace.err, StartsWith("porthole: cannot write the trace to '/dev/full' any further: No space left"));

    auto const serial = porthole(run("say:hi exit:0", {"--serial", "file:/dev/full"}));
    CHECK(serial.status == 2);
    CHECK_THAT(serial.err, Contains("cannot write the guest's console output: No space left"));

    CHECK(shell(std::string{one_run} + " --log-level info 2> /dev/full").status == 2);
    CHECK(shell(std::string{one_run} + " --log-level info 2>&-").status == 1); // nobody wants it
}

TEST_CASE("a file that grows beyond the size that files may have ends nobody by a signal", "[binary][output]")
{
    if (!can_run()) return;
    Folder const folder;
    auto const end =
        shell("ulimit -f 1; exec " + std::string{one_run} + " --trace msr,hypercall=" + folder.path("trace"));
    CHECK(end.status != -1);
    CHECK_THAT(end.out, Contains("hi"));
}

TEST_CASE("when the reader of a guest's console is gone, the run ends, though the guest says nothing more",
          "[binary][output]")
{
    if (!can_run()) return;
    Process process{run("say:up halt")};
    process.await_output("up\n");
    process.close_output();
    auto const end = process.end();
    CHECK(end.status == 2);
    CHECK_THAT(end.err, Contains("has no reader any more"));
}

TEST_CASE("a small soft limit on open files is raised; a small hard one is named", "[binary][limits]")
{
    if (!can_run()) return;
    auto const enough = shell("ulimit -Sn 16; exec " + std::string{one_run} + " --cpus 16");
    CHECK(enough.err.empty());
    CHECK(enough.status == 1);

    Folder const folder; // UBSan looks at objects through a pipe, and takes them for broken when it gets none
    auto const quiet = "export UBSAN_OPTIONS=\"$UBSAN_OPTIONS:suppressions=" + folder.file("s", "vptr:*\n") + "\"; ";
    for (int files = 8; files < 40; files += 3) { // wherever it is that they run out
        auto const end = shell(quiet + "ulimit -n " + std::to_string(files) + "; exec " + one_run + " --cpus 32");
        INFO("ulimit -n " << files);
        CHECK(end.status == 2);
        CHECK_THAT(end.err, StartsWith("porthole: ") && Contains("'ulimit -n' (now " + std::to_string(files)));
        CHECK_THAT(end.err, !Contains("doctor"));
    }
}

TEST_CASE("time goes on for a guest whose process is stopped", "[binary][signals]")
{
    if (!can_run()) return;
    Process process{run("synic time print:go tick:100 await:x time power-off")};
    process.await_output("go");
    process.signal(SIGSTOP);
    std::this_thread::sleep_for(500ms); // the length of the stop
    process.signal(SIGCONT);
    process.type("x");
    auto const seen = process.end();
    CHECK(seen.status == 0);
    long first[2]{};
    long second[2]{};
    REQUIRE(std::sscanf(seen.out.c_str(), "time %ld %ld gotick time %ld %ld", &first[0], &first[1], &second[0],
                        &second[1]) == 4);
    CHECK(second[0] - first[0] >= 500); // by the reference time
    CHECK(second[1] - first[1] >= 500); // by the TSC
}

TEST_CASE("a configuration file that nests deeply is one line, and no crash", "[binary]")
{
    Folder const folder;
    std::string header = "[a";
    for (int i = 0; i < 200'000; ++i)
        header += ".a";
    check_is_one_complaint(porthole({"run", "--config", folder.file("deep.toml", header + "]\n")}),
                           "nests more than 32 levels deep");
}

TEST_CASE("signals that a caller has blocked reach a run all the same", "[binary][signals]")
{
    if (!can_run()) return;
    sigset_t blocked;
    sigset_t before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGRTMIN);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    Process process{run("say:up await-power-button power-off")};
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    process.await_output("up\n");
    process.signal(SIGTERM);
    CHECK(process.end().status == 0);
}
