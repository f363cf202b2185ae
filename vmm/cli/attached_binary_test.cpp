/// What `porthole ctl` does to a running guest's disks, network cards and services, as a user sees it. The guest has
/// drivers for none of them. Without /dev/kvm there is nothing to see.
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/cli/testing/puppet.hpp"
#include "vmm/host/testing/contains.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace {

using nlohmann::json;
using namespace vmm::testing;

/// A guest that waits for the power button, and its control socket.
class Run {
  public:
    explicit Run(std::vector<std::string> const& options = {}) : process{arguments(options)}
    {
        process.await_output("up\n");
    }

    [[nodiscard]] Outcome ctl(std::vector<std::string> const& words) const
    {
        std::vector<std::string> all{"ctl", folder.path("control")};
        all.insert(all.end(), words.begin(), words.end());
        return porthole(all);
    }
    [[nodiscard]] json ask(std::vector<std::string> words) const
    {
        words.emplace_back("--json");
        auto const outcome = ctl(words);
        INFO(outcome.err);
        REQUIRE(outcome.status == 0);
        return json::parse(outcome.out);
    }
    /// What it complains of, in one line.
    [[nodiscard]] std::string refusal(std::vector<std::string> const& words) const
    {
        auto const outcome = ctl(words);
        CHECK(outcome.status == 1);
        CHECK(outcome.out.empty());
        CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
        return outcome.err;
    }

    Folder folder;
    Process process;

  private:
    [[nodiscard]] std::vector<std::string> arguments(std::vector<std::string> const& options) const
    {
        std::vector<std::string> all{"run",
                                     "--control",
                                     folder.path("control"),
                                     "--jail",
                                     "on",
                                     "--allow",
                                     folder.path(""),
                                     "--kernel",
                                     puppet(),
                                     "--memory",
                                     "16M",
                                     "--test-devices",
                                     "--cmdline",
                                     "say:up await-power-button say:off power-off"};
        all.insert(all.end(), options.begin(), options.end());
        return all;
    }
};

std::string image(Folder const& folder, std::string const& name, std::size_t size)
{
    return folder.file(name, std::string(size, '\0'));
}

} // namespace

TEST_CASE("disks are added to a running guest and taken away again", "[binary][control]")
{
    if (!can_run()) return;
    Run run;
    auto const disk = image(run.folder, "disk", 1 << 20);
    CHECK(run.ask({"disk-add", disk}) == json({{"controller", 0}, {"lun", 0}}));
    CHECK(run.ask({"disk-add", image(run.folder, "other", 4096) + ",ro,controller=2"}) ==
          json({{"controller", 2}, {"lun", 0}}));
    CHECK_THAT(run.ctl({"inspect"}).out, Contains(disk) && Contains("other"));
    CHECK_THAT(run.refusal({"disk-add", disk}), Contains("'" + disk + "'") && Contains("in use"));

    CHECK(run.ctl({"disk-remove", "0", "0"}).status == 0);
    CHECK_THAT(run.refusal({"disk-remove", "0", "0"}), Contains("there is no disk 0 on controller 0"));
    CHECK_THAT(run.refusal({"disk-remove", "3", "0"}), Contains("there is no disk 0 on controller 3"));
    CHECK_THAT(run.refusal({"disk-remove", "first", "0"}), Contains("controller: write a number"));
    CHECK_THAT(run.refusal({"disk-remove", "0", "-1"}), Contains("lun: write a number"));
    CHECK(run.ask({"disk-add", disk}) == json({{"controller", 0}, {"lun", 0}})); // it was let go of
}

TEST_CASE("a disk that cannot be added is one line, and the guest runs on", "[binary][control]")
{
    if (!can_run()) return;
    Run run;
    CHECK_THAT(run.refusal({"disk-add", run.folder.path("none")}), Contains("does not exist"));
    CHECK_THAT(run.refusal({"disk-add", "/etc/passwd,ro"}), Contains("--allow /etc,"));
    CHECK_THAT(run.refusal({"disk-add", run.folder.path("../none")}), Contains("--allow /tmp"));
    CHECK_THAT(run.refusal({"disk-add", "nbd://127.0.0.1:1"}), Contains("--allow nbd"));
    CHECK_THAT(run.refusal({"disk-add", image(run.folder, "odd", 700)}), Contains("512"));
    CHECK_THAT(run.refusal({"disk-add", run.folder.path("none") + ",fast"}), Contains("'fast'"));
    CHECK_THAT(run.refusal({"disk-add", "/"}), Contains("'/'"));
    CHECK_THAT(run.refusal({"disk-add", image(run.folder, "a", 4096) + ",controller=9"}), Contains("controller"));
    CHECK_THAT(run.ctl({"status"}).out, Contains("running"));
}

TEST_CASE("a controller that is full names itself", "[binary][control]")
{
    if (!can_run()) return;
    Run run;
    auto const add = [&](unsigned n) {
        return run.ctl({"disk-add", image(run.folder, "disk" + std::to_string(n), 4096)});
    };
    unsigned added = 0;
    while (added < 100 && add(added).status == 0)
        ++added;
    CHECK(added == 64);
    CHECK_THAT(run.refusal({"disk-add", image(run.folder, "last", 4096)}),
               Contains("controller 0 has 64 disks") && Contains("name another controller"));
}

TEST_CASE("the cable of a network card is pulled and plugged in", "[binary][control]")
{
    if (!can_run()) return;
    Run run{{"--net", "user,mac=52:54:00:00:00:01", "--net", "user"}};
    CHECK(run.ask({"net-link", "0", "down"}) ==
          json({{"mac", "52:54:00:00:00:01"}, {"network", "user"}, {"link", "down"}}));
    CHECK(run.ask({"net-link", "0", "up"}).at("link") == "up");
    CHECK(run.ask({"net-link", "1", "down"}).at("link") == "down");
    CHECK_THAT(run.refusal({"net-link", "2", "up"}), Contains("no network card '2': use 0 to 1"));
    CHECK_THAT(run.refusal({"net-link", "eth0", "up"}), Contains("no network card 'eth0'"));
    CHECK_THAT(run.refusal({"net-link", "0", "sideways"}), Contains("a link is not 'sideways': use up or down"));
}

TEST_CASE("what a guest has no driver for is said in one line", "[binary][control]")
{
    if (!can_run()) return;
    Run run;
    CHECK_THAT(run.refusal({"net-link", "0", "up"}), Contains("no network card: give it one with --net"));
    CHECK_THAT(run.refusal({"kvp", "list", "guest"}), Contains("does not listen"));
    CHECK_THAT(run.refusal({"kvp", "delete", "key"}), Contains("does not listen"));
    CHECK_THAT(run.refusal({"kvp", "addresses"}), Contains("no network card"));
    CHECK_THAT(run.refusal({"shutdown", "reboot"}), Contains("no driver in the guest listens"));
    CHECK_THAT(run.refusal({"shutdown", "hibernate"}), Contains("no driver in the guest listens"));
    CHECK_THAT(run.refusal({"shutdown", "now"}), Contains("'now' is not known: use power-off"));

    CHECK(run.ctl({"pause"}).status == 0);
    CHECK_THAT(run.refusal({"shutdown"}), Contains("is paused: resume it first"));
    CHECK(run.ctl({"resume"}).status == 0);
    CHECK(run.ask({"shutdown"}) == json({{"asked-by", "power-button"}}));
    CHECK(run.process.end().status == 0);
}
