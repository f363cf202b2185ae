#include "hv/testing/catch.hpp"
#include "vmm/base/user_error.hpp"
#include "vmm/options/cpu_option.hpp"

#include <string>

using namespace vmm;
using Catch::Matchers::Contains;

namespace {

std::string complaint(std::string_view text)
{
    try {
        (void)parse_cpus("--cpus", text);
    } catch (UserError const& error) {
        return error.what();
    }
    return {};
}

} // namespace

TEST_CASE("processors are cores of one socket, unless it is said otherwise", "[options]")
{
    CHECK(parse_cpus("--cpus", "1") == CpuOptions{});
    CHECK(parse_cpus("--cpus", "254") == CpuOptions{254, {1, 1}});
    CHECK(parse_cpus("--cpus", "8,sockets=2,threads=2") == CpuOptions{8, {2, 2}});
    CHECK(parse_cpus("--cpus", "8,threads=2,cores=2,sockets=2") == CpuOptions{8, {2, 2}});
    CHECK(parse_cpus("--cpus", "6,threads=2") == CpuOptions{6, {1, 2}});
    CHECK(parse_cpus("--cpus", "3,sockets=3") == CpuOptions{3, {3, 1}});
    CHECK(parse_cpus("--cpus", "7,cores=7") == CpuOptions{7, {1, 1}});
}

TEST_CASE("processors are in one node, unless it is said otherwise", "[options][numa]")
{
    CHECK(parse_cpus("--cpus", "8,sockets=2,threads=2,nodes=2") == CpuOptions{8, {2, 2, 2}});
    CHECK(parse_cpus("--cpus", "8,nodes=4") == CpuOptions{8, {1, 1, 4}});
    CHECK(parse_cpus("--cpus", "8,sockets=4,nodes=2") == CpuOptions{8, {4, 1, 2}});
    CHECK_THAT(complaint("2,nodes=4"), Contains("more nodes than cores: use at most 2"));
    CHECK_THAT(complaint("4,threads=2,nodes=4"), Contains("more nodes than cores: use at most 2"));
    CHECK_THAT(complaint("6,nodes=4"), Contains("different numbers of cores: use a number of nodes that divides 6"));
    CHECK_THAT(complaint("12,sockets=3,nodes=2"), Contains("parts of several sockets"));
    CHECK_THAT(complaint("128,nodes=128"), Contains("use at most 64"));
    CHECK_THAT(complaint("8,nodes=0"), Contains("is not a possible number of nodes"));
    GuestOptions guest;
    guest.memory = std::uint64_t{63} << 20;
    guest.topology.nodes = 2;
    CHECK_THROWS_WITH(check_nodes(guest), Contains("give each 32M at least"));
    guest.memory = std::uint64_t{64} << 20;
    CHECK_NOTHROW(check_nodes(guest));
}

TEST_CASE("a topology that APIC IDs cannot say is refused", "[options]")
{
    for (auto const* const number : {"", "0", "255", "two", "2x", "-1", " 2", "2 "})
        CHECK_THAT(complaint(number), Contains("is not a possible number of processors: use 1 to 254"));
    CHECK_THAT(complaint("8,sockets=0"), Contains("is not a possible number of sockets"));
    CHECK_THAT(complaint("8,sockets"), Contains("is not a possible number of sockets"));
    CHECK_THAT(complaint("8,dies=2"), Contains("'dies=2' is not known: use e.g. 8,sockets=2,threads=2"));
    CHECK_THAT(complaint("8,,sockets=2"), Contains("'' is not known"));
    CHECK_THAT(complaint("8,sockets=3"), Contains("does not come out even"));
    CHECK_THAT(complaint("8,sockets=254,threads=254"), Contains("does not come out even"));
    CHECK_THAT(complaint("8,cores=4"), Contains("does not come out even"));
    CHECK_THAT(complaint("6,threads=3"), Contains("a core 3 threads: make them a power of two"));
    CHECK_THAT(complaint("12,sockets=2"), Contains("a socket 6 processors: make them a power of two"));
}
