/// A child's map of pages (TLFS 2.0a §8.3.1: a mapping supersedes any previous one).
#include "hv/child/gpa_map.hpp"
#include "hv/testing/catch.hpp"

#include <map>
#include <random>

using namespace hv;
using Pages = std::vector<std::uint64_t>;

namespace {

constexpr auto rw = GpaAccess::ReadWrite;
constexpr auto none = GpaAccess::None;

Pages from(std::uint64_t first, std::uint64_t count)
{
    Pages pages(count);
    for (auto& page : pages)
        page = first++;
    return pages;
}

std::vector<bool> sources_among(GpaMap const& map, Pages const& pages)
{
    std::vector<bool> marks(pages.size());
    map.mark_sources(pages, marks);
    return marks;
}

} // namespace

TEST_CASE("neighbours in both address spaces are one run", "[children][gpa]")
{
    GpaMap map;
    auto const first = map.map(0x100, Pages{7, 8, 9, 20, 21}, rw);
    CHECK(first.removed.empty());
    CHECK(first.added == std::vector<GpaRun>{{0x100, 7, 3, rw}, {0x103, 20, 2, rw}});
    auto const more = map.map(0x105, Pages{22, 23}, rw);
    CHECK(more.removed == std::vector<GpaRun>{{0x103, 20, 2, rw}});
    CHECK(more.added == std::vector<GpaRun>{{0x103, 20, 4, rw}});
    (void)map.map(0xFF, Pages{6}, rw);
    CHECK(map.all() == std::vector<GpaRun>{{0xFF, 6, 4, rw}, {0x103, 20, 4, rw}});
    CHECK_FALSE(map.find(0xFE));
    CHECK(map.find(0x106) == GpaRun{0x103, 20, 4, rw});
    CHECK_FALSE(map.find(0x107));
}

TEST_CASE("a new mapping supersedes what was there, and an unmapping leaves the rest", "[children][gpa]")
{
    GpaMap map;
    (void)map.map(0, from(100, 10), rw);
    auto const cut = map.map(4, Pages{50, 51}, GpaAccess::Read);
    CHECK(cut.removed == std::vector<GpaRun>{{0, 100, 10, rw}});
    CHECK(cut.added == std::vector<GpaRun>{{0, 100, 4, rw}, {4, 50, 2, GpaAccess::Read}, {6, 106, 4, rw}});
    (void)map.unmap(3, 4);
    CHECK(map.all() == std::vector<GpaRun>{{0, 100, 3, rw}, {7, 107, 3, rw}});
    CHECK(map.unmap(20, 100).removed.empty());
    (void)map.map(3, from(103, 4), rw);
    CHECK(map.all() == std::vector<GpaRun>{{0, 100, 10, rw}});
}

TEST_CASE("pages without access have no source, and runs that are long enough stay apart", "[children][gpa]")
{
    GpaMap map;
    (void)map.map(0, Pages(512, 0), none);
    (void)map.map(512, Pages(512, 0), none);
    CHECK(map.all() == std::vector<GpaRun>{{0, GpaRun::no_page, 1024, none}});
    CHECK(sources_among(map, Pages{0}) == std::vector<bool>{false});
    (void)map.map(5, Pages{77, 78}, rw);
    CHECK(sources_among(map, Pages{3, 77, 78, 90}) == std::vector<bool>{false, true, true, false});
    (void)map.unmap(6, 1);
    CHECK(sources_among(map, Pages{3, 76, 78}) == std::vector<bool>{false, false, false});
    (void)map.map(6, Pages{0}, none);
    CHECK(map.find(4)->access == none);
    CHECK(map.find(6) == GpaRun{6, GpaRun::no_page, 1018, none});

    GpaMap large;
    (void)large.map(0, from(0, GpaMap::longest_joined), rw);
    (void)large.map(GpaMap::longest_joined, from(GpaMap::longest_joined, 1), rw);
    CHECK(large.runs() == 2);
}

TEST_CASE("any order of changes gives what a table of pages gives, and each can be taken back", "[children][gpa]")
{
    std::mt19937 random{16};
    GpaMap map;
    std::map<std::uint64_t, std::pair<std::uint64_t, GpaAccess>> table;
    for (int step = 0; step < 2000; ++step) {
        auto const base = random() % 60;
        auto const count = 1 + random() % 12;
        auto const before = map.all();
        auto const access = static_cast<GpaAccess>(random() % 3);
        bool const unmaps = random() % 4 == 0;
        bool const scattered = random() % 2 == 0;
        Pages sources(count);
        for (std::size_t i = 0; i < count; ++i)
            sources[i] = scattered ? random() % 100 : base + i;
        auto const change = unmaps ? map.unmap(base, count) : map.map(base, sources, access);
        if (random() % 5 == 0) {
            map.undo(change);
            REQUIRE(map.all() == before);
            continue;
        }
        for (std::size_t i = 0; i < count; ++i) {
            table.erase(base + i);
            auto const source = access == none ? GpaRun::no_page : sources[i];
            if (!unmaps) table[base + i] = {source, access};
        }
        for (std::uint64_t page = 0; page < 80; ++page) {
            auto const run = map.find(page);
            REQUIRE(run.has_value() == table.contains(page));
            if (!run) continue;
            auto const source = run->access == none ? GpaRun::no_page : run->source + (page - run->page);
            REQUIRE(table[page] == std::pair{source, run->access});
        }
    }
}
