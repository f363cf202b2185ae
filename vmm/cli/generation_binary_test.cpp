// A guest's generation ID, as it finds it ("Virtual Machine Generation ID", Microsoft, 2012).
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/cli/testing/puppet.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

using namespace vmm::testing;

namespace {

/// What the puppet's word "generation" has printed, each time.
std::vector<std::string> told(std::string const& output)
{
    std::vector<std::string> ids;
    std::istringstream lines{output};
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("generation ")) ids.push_back(line);
    return ids;
}

/// As the puppet prints it, what a GUID's text says: its first three fields are little-endian, its last eight bytes
/// are in their order.
std::string as_told(std::string guid)
{
    std::erase(guid, '-');
    auto const number = [&](std::size_t at, std::size_t digits) {
        return std::stoull(guid.substr(at, digits), nullptr, 16);
    };
    auto const low = number(0, 8) | number(8, 4) << 32 | number(12, 4) << 48;
    std::ostringstream text;
    text << "generation 0x" << std::hex << low << " 0x" << __builtin_bswap64(number(16, 16));
    return text.str();
}

} // namespace

TEST_CASE("a guest that starts anew is the same one, and another run's is another", "[binary][generation]")
{
    if (!can_run()) return;
    auto const run = [] {
        return told(porthole({"run", "--kernel", puppet(), "--memory", "16M", "--on-reboot", "restart", "--cmdline",
                              "generation triple-fault"}) // five starts, and the end
                        .out);
    };
    auto const one = run();
    REQUIRE(one.size() == 5);
    CHECK(std::set(one.begin(), one.end()).size() == 1);
    CHECK(one.front() != run().front());
}

TEST_CASE("a guest hears by an event that its generation ID has changed", "[binary][generation]")
{
    if (!can_run()) return;
    Folder const folder;
    auto const control = folder.path("control");
    Process process{{"run", "--kernel", puppet(), "--memory", "16M", "--control", control, "--cmdline",
                     "generation say:up await-generation generation power-off"}};
    process.await_output("up\n");
    auto const answer = porthole({"ctl", control, "new-generation", "--json"});
    REQUIRE(answer.status == 0);
    auto const end = process.end();
    CHECK(end.status == 0);
    auto const ids = told(end.out);
    REQUIRE(ids.size() == 2);
    CHECK(ids[0] != ids[1]);
    CHECK(ids[1] == as_told(nlohmann::json::parse(answer.out).at("generation")));
}

TEST_CASE("a paused guest hears of no new generation", "[binary][generation]")
{
    if (!can_run()) return;
    Folder const folder;
    auto const control = folder.path("control");
    Process process{{"run", "--kernel", puppet(), "--memory", "16M", "--control", control, "--cmdline",
                     "say:up await-generation power-off"}};
    process.await_output("up\n");
    CHECK(porthole({"ctl", control, "pause"}).status == 0);
    auto const refused = porthole({"ctl", control, "new-generation"});
    CHECK(refused.status == 1);
    CHECK_THAT(refused.err, Catch::Matchers::Contains("paused"));
    CHECK(porthole({"ctl", control, "resume"}).status == 0);
    CHECK(porthole({"ctl", control, "new-generation"}).status == 0);
    CHECK(process.end().status == 0);
}
