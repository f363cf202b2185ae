// What a user sees of the real executable: exit status, standard output, standard error.
#include "hv/testing/catch.hpp"
#include "vmm/cli/testing/porthole.hpp"
#include "vmm/host/testing/contains.hpp"

namespace {

using Catch::Matchers::StartsWith;
using vmm::testing::check_is_one_complaint;
using vmm::testing::Contains;
using vmm::testing::porthole;
using vmm::testing::Stdout;

} // namespace

TEST_CASE("the executable says its version and explains itself", "[binary]")
{
    auto const version = porthole({"--version"});
    CHECK(version.status == 0);
    CHECK(version.out == "porthole " PORTHOLE_VERSION "\n");
    CHECK(version.err.empty());

    auto const help = porthole({"run", "--help"});
    CHECK(help.status == 0);
    CHECK_THAT(help.out, Contains("--hv-features") && Contains("vp-runtime") && Contains("access-partition-id"));
}

TEST_CASE("a usage error is one line on standard error, and status 2", "[binary]")
{
    check_is_one_complaint(porthole({}), "porthole --help");
    check_is_one_complaint(porthole({"run"}), "--kernel is missing");
    check_is_one_complaint(porthole({"fly"}), "'fly'");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--fly"}), "--fly");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--memory", "lots"}), "'lots'");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--memory", "4M"}), "16M");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--memory", "16000000T"}), "--memory");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--cpus", "0"}), "--cpus");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--cpus", "255"}), "1 to 254");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--cpus"}), "--cpus needs a value");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--test-devices=x\ny"}), "--test-devices");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--privileges", "all"}), "'all'");
    check_is_one_complaint(porthole({"run", "--kernel", "k", "--hv-features", "-all"}), "'all'");
}

TEST_CASE("a standard output that takes nothing is an error of its own", "[binary]")
{
    for (auto const where : {Stdout::Closed, Stdout::Full}) {
        check_is_one_complaint(porthole({"--version"}, where), "standard output");
        check_is_one_complaint(porthole({"doctor"}, where), "standard output");
    }
}

TEST_CASE("doctor ends with a line that scripts can read, and a status that agrees with it", "[binary]")
{
    auto const doctor = porthole({"doctor"});
    CHECK(doctor.err.empty());
    REQUIRE(doctor.out.ends_with('\n'));
    auto const last = doctor.out.substr(doctor.out.rfind('\n', doctor.out.size() - 2) + 1);
    CHECK_THAT(last, StartsWith("can run: "));
    CHECK(doctor.status == (last.starts_with("can run: nothing") ? 2 : 0));
}
