/// Sets of pages as runs of neighbours.
#include "hv/testing/catch.hpp"
#include "vmm/children/page_runs.hpp"

#include <utility>
#include <vector>

using vmm::PageRuns;

namespace {

using Runs = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

Runs runs(PageRuns const& pages)
{
    return {pages.all().begin(), pages.all().end()};
}

Runs gaps(PageRuns const& pages, std::uint64_t first, std::uint64_t count)
{
    Runs found;
    pages.for_each_gap(first, count,
                       [&](std::uint64_t begins, std::uint64_t many) { found.emplace_back(begins, many); });
    return found;
}

} // namespace

TEST_CASE("runs of pages join when they touch or overlap", "[children]")
{
    PageRuns pages;
    pages.add(4, 2);
    pages.add(0);
    pages.add(8, 4);
    CHECK(runs(pages) == Runs{{0, 1}, {4, 2}, {8, 4}});
    pages.add(1, 3);
    CHECK(runs(pages) == Runs{{0, 6}, {8, 4}});
    pages.add(3, 6);
    CHECK(runs(pages) == Runs{{0, 12}});
    pages.add(2, 3);
    CHECK(runs(pages) == Runs{{0, 12}});
}

TEST_CASE("runs of pages are shortened and split, and what is not there stays so", "[children]")
{
    PageRuns pages;
    pages.add(10, 10);
    pages.remove(12, 2);
    CHECK(runs(pages) == Runs{{10, 2}, {14, 6}});
    pages.remove(0, 11);
    pages.remove(19, 100);
    CHECK(runs(pages) == Runs{{11, 1}, {14, 5}});
    pages.remove(11, 4);
    CHECK(runs(pages) == Runs{{15, 4}});
    pages.remove(0, 15);
    CHECK(runs(pages) == Runs{{15, 4}});
    pages.remove(0, 100);
    CHECK(pages.size() == 0);
}

TEST_CASE("what lies between runs of pages", "[children]")
{
    PageRuns pages;
    CHECK(gaps(pages, 5, 3) == Runs{{5, 3}});
    pages.add(4, 2);
    pages.add(8, 2);
    CHECK(gaps(pages, 0, 20) == Runs{{0, 4}, {6, 2}, {10, 10}});
    CHECK(gaps(pages, 5, 4) == Runs{{6, 2}});
    CHECK(gaps(pages, 8, 2).empty());
    CHECK(gaps(pages, 9, 2) == Runs{{10, 1}});
    CHECK(pages.intersects(0, 5));
    CHECK(pages.intersects(9, 1));
    CHECK_FALSE(pages.intersects(0, 4));
    CHECK_FALSE(pages.intersects(6, 2));
    CHECK_FALSE(pages.intersects(10, 5));
}
