#include "hv/testing/catch.hpp"
#include "vmm/config/cycle.hpp"

namespace {

using Indices = std::vector<std::size_t>;
using Edges = std::vector<Indices>;

} // namespace

TEST_CASE("a graph without a cycle has none", "[config]")
{
    CHECK(vmm::find_cycle({}).empty());
    CHECK(vmm::find_cycle(Edges{{}, {0}, {0, 1}}).empty());
    CHECK(vmm::find_cycle(Edges{{1, 2}, {3}, {3}, {}}).empty()); // two ways to one
}

TEST_CASE("a cycle is found, from its lowest member on and without those that lead to it", "[config]")
{
    CHECK(vmm::find_cycle(Edges{{0}}) == Indices{0});
    CHECK(vmm::find_cycle(Edges{{1}, {2}, {1}}) == Indices{1, 2});
    CHECK(vmm::find_cycle(Edges{{3}, {0}, {}, {1}}) == Indices{0, 3, 1});
    CHECK(vmm::find_cycle(Edges{{2, 1}, {}, {3}, {1, 2}}) == Indices{2, 3}); // 1 leads nowhere
}

TEST_CASE("a long chain is no cycle until it is closed", "[config]")
{
    constexpr std::size_t length = 1000;
    Edges edges(length);
    for (std::size_t n = 0; n + 1 < length; ++n)
        edges[n] = {n + 1};
    CHECK(vmm::find_cycle(edges).empty());
    edges.back() = {0};
    CHECK(vmm::find_cycle(edges).size() == length);
}
